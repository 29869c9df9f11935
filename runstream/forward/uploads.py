"""Puts the files that a writer's records name on S3, before the records and what comes after them are sent.

    <writer's directory>/files/<path> ─► PlanUploads ─► presigned PUT of what is missing ─► the record goes out
                                                          the copy is deleted once the record is acked

While the artifact service or S3 is away the spool keeps everything. What can never be put, because the copy is
gone or has another content, becomes a refusal in the record's place. A blob that the project has needs no copy:
so a record that is read again, after its copy was deleted, goes out again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runstream.artifact import Server, digests, plan_uploads, upload_all
from runstream.errors import InvalidField, KeyMissing, KeyUnknown, NotAllowed, RunstreamError
from runstream.forward.backoff import delay_s
from runstream.names import path_problem
from runstream.spool.reader import Chunk

FOLDER = "files"
_PLAN_FILES = 1000
_LOOK_UP_S = 1.0
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PERMANENT = (InvalidField, KeyMissing, KeyUnknown, NotAllowed)


class UploadRefused(Exception):
    """The server takes no files of this writer, whatever is tried."""


@dataclass(frozen=True)
class _File:
    """A file record: its place in the chunk, its sequence, what it says, where the copy is."""

    index: int
    seq: int
    said: Mapping[str, Any]
    source: Path


class Uploads:
    """The files of one writer.

    Args:
        directory: the writer's directory.
        project: entity/project.
        base_url: servers that answer the artifact service, with commas between.
        api_key: sent with every call.
    """

    def __init__(self, directory: Path, project: str, base_url: str, api_key: str) -> None:
        self._folder = directory / FOLDER
        self._project = project
        self._urls = base_url.split(",")
        self._api_key = api_key
        # One round at a time, also when a stream that waited for one broke: the next waits for its thread.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="uploads")
        self._unacked: deque[tuple[int, Path, tuple[int, ...]]] = deque()
        self.trouble = ""
        """Why the last try failed, empty while all is well."""

    async def before_sending(
        self, chunk: Chunk, meanwhile: Callable[[float], Awaitable[None]], wake: Callable[[], None]
    ) -> bool:
        """Returns when the bytes of every file that the chunk names are on S3; what cannot be is refused in it.

        Args:
            chunk: its records may be changed.
            meanwhile: called over and over with the most seconds it may take; what it raises ends the wait.
            wake: ends that at once.

        Returns:
            Whether there were files.

        Raises:
            UploadRefused: the server takes no files of this writer.
        """
        files = self._named(chunk)
        if not files:
            return False
        putting = asyncio.create_task(self._put_all(chunk, files))
        putting.add_done_callback(lambda _: wake())
        try:
            while not putting.done():
                await meanwhile(_LOOK_UP_S)
            putting.result()
        finally:
            putting.cancel()
        return True

    def acked(self, seq_inclusive: int) -> None:
        """Deletes the copies of files whose records are acked, unless something else is at their place by now."""
        while self._unacked and self._unacked[0][0] <= seq_inclusive:
            _, source, identity = self._unacked.popleft()
            if _identity(source) == identity:
                with contextlib.suppress(OSError):
                    source.unlink()

    def close(self) -> None:
        """The account is closed: no copy is needed any more."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._thread.shutdown(wait=False)

    def _named(self, chunk: Chunk) -> list[_File]:
        """The files that records of a chunk name; a record that can be no file's is refused here."""
        files = []
        for index, (seq, record) in enumerate(chunk.records):
            said = record.get("file")
            if said is None:
                continue
            problem = _problem(said)
            if problem:
                chunk.records[index] = (seq, _refusal(record, "MALFORMED", "file", problem))
            else:
                files.append(_File(index, seq, said, self._folder / said["path"]))
        return files

    async def _put_all(self, chunk: Chunk, files: Sequence[_File]) -> None:
        for start in range(0, len(files), _PLAN_FILES):
            part = files[start : start + _PLAN_FILES]
            failures = 0
            while True:
                url = self._urls[failures % len(self._urls)]
                try:
                    loop = asyncio.get_running_loop()
                    refused = await loop.run_in_executor(self._thread, self._put, Server(url, self._api_key), part)
                    break
                except _PERMANENT as error:
                    raise UploadRefused(str(error)) from error
                except (RunstreamError, OSError) as error:
                    failures += 1
                    self.trouble = f"files wait: {error}"
                    await asyncio.sleep(delay_s(failures))
            self.trouble = ""
            for file in part:
                seq, record = chunk.records[file.index]
                if file.seq in refused:
                    chunk.records[file.index] = (seq, _refusal(record, *refused[file.seq]))
                elif (identity := _identity(file.source)) is not None:
                    self._unacked.append((seq, file.source, identity))

    def _put(self, server: Server, files: Sequence[_File]) -> dict[int, tuple[str, str, str]]:
        """Puts what is missing; returns reason, field and message of what can never be, by sequence. Blocks."""
        entries = [
            {"path": file.said["path"], "size": str(file.said.get("size", 0)), "sha256": file.said["sha256"]}
            for file in files
        ]
        plan = {upload["sha256"]: upload for upload in plan_uploads(server, self._project, entries)}
        ready: dict[str, Path] = {}
        refused: dict[int, tuple[str, str, str]] = {}
        for file in files:
            sha256 = file.said["sha256"]
            if sha256 not in plan or sha256 in ready:
                continue  # the project has it, or another path of this round brings it
            problem = _trouble_with(file)
            if problem is None:
                ready[sha256] = file.source
            else:
                refused[file.seq] = problem
        upload_all([(source, plan[sha256]) for sha256, source in ready.items()], tries=1)
        # What one path could not bring, another of the same content may have.
        return {
            file.seq: refused[file.seq] for file in files if file.seq in refused and file.said["sha256"] not in ready
        }


def _problem(said: Any) -> str | None:
    """Why a file record cannot be one; the server would refuse it, and a path must not lead out of the folder."""
    if not isinstance(said, Mapping) or not isinstance(said.get("path"), str):
        return "a file needs a path"
    problem = path_problem(said["path"])
    if problem:
        return f"{said['path'][:200]!a} {problem}"
    if not _SHA256.fullmatch(str(said.get("sha256"))) or not str(said.get("size", 0)).isdecimal():
        return f"{said['path'][:200]!a} needs a size and a SHA-256 of 64 lower-case hex digits"
    return None


def _trouble_with(file: _File) -> tuple[str, str, str] | None:
    path = file.said["path"]
    try:
        size = file.source.stat().st_size
        sha256 = digests(file.source)[0] if size == int(file.said.get("size", 0)) else ""
    except OSError as error:
        return "FILE_MISSING", path, f"the file cannot be read: {error.strerror or error}"
    if sha256 != file.said["sha256"]:
        said = f"{file.said.get('size', 0)} bytes of SHA-256 {file.said['sha256'][:12]}…"
        return "FILE_CHANGED", path, f"the file has {size} bytes and is not what was said, {said}"
    return None


def _refusal(record: Mapping[str, Any], reason: str, field: str, message: str) -> dict[str, Any]:
    """The record that takes a file record's place. It counts as one, as a value that is refused does."""
    refused = {"reason": f"REFUSAL_REASON_{reason}", "field": field[:200], "message": message, "count": "1"}
    return {"timeUs": record.get("timeUs", "0"), "refused": refused}


def _identity(path: Path) -> tuple[int, ...] | None:
    """What tells a file from a later one at its place; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
