"""Artifacts from the client's side: hash, upload what is missing, commit; resolve, download, check.

Bytes go straight to S3 by presigned URL, streamed from and to disk. Needs the standard library only.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from runstream.errors import InvalidField, RunstreamError, StorageUnavailable
from runstream.rpc_client import call

_CHUNK_BYTES = 1 << 20
_AT_ONCE = 8
_TRIES = 5
_TIMEOUT_S = 60.0
_T = TypeVar("_T")


class DamagedDownload(RunstreamError):
    """What was downloaded is not what was committed."""

    reason = "DAMAGED"


@dataclass(frozen=True)
class Server:
    """Where artifacts are kept."""

    base_url: str
    api_key: str = ""


@dataclass(frozen=True)
class PutResult:
    """A version that was put: its name, whether it is new, and how many bytes went to S3."""

    name: str
    created: bool
    uploaded_bytes: int


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine and what its content is known by. ``md5`` may be empty."""

    path: str
    source: Path
    size: int
    sha256: str
    md5: str

    def entry(self) -> dict[str, Any]:
        """The file as a ManifestEntry."""
        return {"path": self.path, "size": str(self.size), "sha256": self.sha256, "md5": self.md5}


def put(
    server: Server,
    project: str,
    collection: str,
    source: Path,
    *,
    type: str,
    aliases: Iterable[str] = (),
    description: str = "",
    run: str = "",
) -> PutResult:
    """Puts a file, or all files below a directory, as the next version of a collection.

    Blobs that the project has already are not sent again; the same content as the newest version makes no new one.

    Args:
        server: where to.
        project: entity/project.
        collection: name of the collection.
        source: file or directory.
        type: type of the collection, such as model or dataset.
        aliases: aliases to move to this version.
        description: text for people.
        run: run that made it, entity/project/run.

    Raises:
        InvalidField: there are no files, or a name cannot be.
        StorageUnavailable, ServerUnreachable: server or S3 did not answer, after some tries.
    """
    files = _hashed(source)
    entries = [file.entry() for file in files]
    uploads = plan_uploads(server, project, entries)
    by_digest = {file.sha256: file for file in files}
    upload_all([(by_digest[upload["sha256"]].source, upload) for upload in uploads])
    answer = call(
        server.base_url,
        "ArtifactService/CommitVersion",
        {
            "project": project,
            "collection": collection,
            "type": type,
            "entries": entries,
            "aliases": list(aliases),
            "description": description,
            "run": run,
        },
        api_key=server.api_key,
    )
    uploaded = sum(by_digest[upload["sha256"]].size for upload in uploads)
    return PutResult(answer["version"]["name"], bool(answer.get("created")), uploaded)


def plan_uploads(server: Server, project: str, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Asks which blobs the project lacks, and where to put them: an Upload in proto3 JSON for each.

    Raises:
        RunstreamError: what the server said; ServerUnreachable if nothing answers.
    """
    request = {"project": project, "entries": entries}
    plan = call(server.base_url, "ArtifactService/PlanUploads", request, api_key=server.api_key)
    uploads: list[dict[str, Any]] = plan.get("uploads", [])
    return uploads


def upload_all(files: Iterable[tuple[Path, Mapping[str, Any]]], *, tries: int = _TRIES) -> None:
    """Puts files where a plan says, some at once.

    Raises:
        StorageUnavailable: S3 did not take one of them, after some tries.
    """
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(lambda each: _retried(lambda: _upload(*each), tries), files))


def get(server: Server, name: str, destination: Path) -> list[Path]:
    """Downloads a version into a directory and returns its files, each checked against its digest.

    Args:
        server: where from.
        name: entity/project/collection:version-or-alias; ``latest`` without one.
        destination: made if need be; files that are there with the right content stay.

    Raises:
        NotFound: there is no such version.
        DamagedDownload: a file is not what was committed, even after some tries.
    """
    answer = call(server.base_url, "ArtifactService/GetVersion", {"name": name}, api_key=server.api_key)
    urls = {download["sha256"]: download["url"] for download in answer.get("downloads", [])}
    root = destination.absolute()

    def fetch(entry: Mapping[str, Any]) -> Path:
        target: Path = root / str(entry["path"])
        if not target.resolve().is_relative_to(root.resolve()):
            raise InvalidField("path", f"{entry['path']!r} leads out of {destination}")
        if not (target.is_file() and digests(target)[0] == entry["sha256"]):
            _retried(lambda: _download(urls[entry["sha256"]], entry["sha256"], target))
        return target

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(fetch, answer["version"].get("entries", [])))


def _hashed(source: Path) -> list[LocalFile]:
    if source.is_dir():
        found = {path.relative_to(source).as_posix(): path for path in sorted(source.rglob("*")) if path.is_file()}
    else:
        found = {source.name: source}
    if not found or not all(path.is_file() for path in found.values()):
        raise InvalidField("source", f"{source} is no file and no directory with files in it")

    def hashed(item: tuple[str, Path]) -> LocalFile:
        sha256, md5 = digests(item[1])
        return LocalFile(item[0], item[1], item[1].stat().st_size, sha256, md5)

    with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as threads:
        return list(threads.map(hashed, found.items()))


def digests(path: Path) -> tuple[str, str]:
    """SHA-256 and MD5 of a file, hex, read once."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha256.update(chunk)
            md5.update(chunk)
    return sha256.hexdigest(), md5.hexdigest()


def _upload(source: Path, upload: Mapping[str, Any]) -> None:
    with source.open("rb") as body:
        # urllib would add a form's content type, which is not signed.
        headers = {"Content-Type": "application/octet-stream", **upload.get("headers", {})}
        request = urllib.request.Request(upload["url"], data=body, headers=headers, method="PUT")
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):
            return


def _download(url: str, sha256: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f".{target.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response, building.open("wb") as file:
            while chunk := response.read(_CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            raise DamagedDownload(f"{target.name} came with digest {digest.hexdigest()[:12]}…, not {sha256[:12]}…")
        building.replace(target)
    finally:
        building.unlink(missing_ok=True)


def _retried(action: Callable[[], _T], tries: int = _TRIES) -> _T:
    """Tries again what a busy or breaking S3 may let through the next time."""
    for attempt in range(1, tries + 1):
        try:
            return action()
        except urllib.error.HTTPError as error:
            with error:
                trouble: Exception = StorageUnavailable(f"S3 answered {error.code} {error.reason}")
            if error.code < 500 and error.code != 429:
                raise trouble from error
        except (OSError, http.client.HTTPException) as error:
            trouble = StorageUnavailable(f"S3 cannot be reached: {error}", next_step="try again")
        except DamagedDownload as error:
            trouble = error
        if attempt < tries:
            time.sleep(0.1 * 2**attempt)
    raise trouble
