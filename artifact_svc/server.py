"""The artifact service, put together. Its only state is S3; bytes go between client and S3.

ClickHouse is read for the paths of runs' files, which ingest wrote there.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import grpc.aio
from aiohttp import web

from artifact_svc import metrics, versions
from artifact_svc.blobs import Blobs
from artifact_svc.layout import LATEST, Collection, check_name, check_project
from artifact_svc.manifest import check_entries, digest
from artifact_svc.run_files import RunFiles
from runstream.errors import InvalidField
from runstream.service.caller import Role, current_caller, require, split_name
from runstream.service.rpc import Unary
from runstream.store.client import Store
from runstream.store.s3 import S3
from runstream.v1 import artifact_pb2

_P = ParamSpec("_P")
_T = TypeVar("_T")
_MAX_TEXT_CHARS = 65_536


class _Methods:
    """The methods of artifact.proto. S3 is asked in threads."""

    def __init__(self, s3: S3, blobs: Blobs, files: RunFiles, threads: ThreadPoolExecutor) -> None:
        self._s3 = s3
        self._blobs = blobs
        self._files = files
        self._threads = threads

    async def PlanUploads(self, request: artifact_pb2.PlanUploadsRequest) -> artifact_pb2.PlanUploadsResponse:
        entity, project = _project(request.project, Role.WRITER)
        check_entries(request.entries, with_paths=False)
        uploads = await self._call(self._blobs.missing, entity, project, request.entries)
        metrics.uploads_planned.inc(len(uploads))
        metrics.blobs_known.inc(len({entry.sha256 for entry in request.entries}) - len(uploads))
        return artifact_pb2.PlanUploadsResponse(uploads=uploads)

    async def CommitVersion(self, request: artifact_pb2.CommitVersionRequest) -> artifact_pb2.CommitVersionResponse:
        entity, project = _project(request.project, Role.WRITER)
        collection = Collection(entity, project, check_name("collection", request.collection))
        check_name("type", request.type)
        check_entries(request.entries, with_paths=True)
        _check_texts(request)
        aliases = [check_name("aliases", alias) for alias in request.aliases if alias != LATEST]
        version = _version(request)
        number, created = await self._call(self._commit, collection, version, aliases)
        metrics.versions_made.inc(int(created))
        made = await self._call(self._described, collection, number)
        return artifact_pb2.CommitVersionResponse(version=made, created=created)

    async def GetVersion(self, request: artifact_pb2.GetVersionRequest) -> artifact_pb2.GetVersionResponse:
        name, _, label = request.name.partition(":")
        collection = _collection("name", name)
        number = await self._call(versions.resolve, self._s3, collection, label or LATEST)
        version = await self._call(self._described, collection, number)
        downloads = await self._call(self._blobs.downloads, collection.entity, collection.project, version.entries)
        return artifact_pb2.GetVersionResponse(version=version, downloads=downloads)

    async def ListVersions(self, request: artifact_pb2.ListVersionsRequest) -> artifact_pb2.ListVersionsResponse:
        collection = _collection("collection", request.collection)
        if not 0 <= request.page_size <= 1000:
            raise InvalidField("page_size", f"must be 1 to 1000, or 0 for 100, not {request.page_size}")
        if request.page_token and not request.page_token.isdigit():
            raise InvalidField("page_token", "was not given out by this method")
        size = request.page_size or 100
        before = int(request.page_token) if request.page_token else None
        page = await self._call(lambda: list(versions.listed(self._s3, collection, before, size)))
        names = await self._call(versions.aliases, self._s3, collection)
        for version in page:
            del version.entries[:]
            version.aliases.extend(sorted(alias for alias, number in names.items() if number == version.number))
        if page and before is None:
            page[0].aliases.insert(0, LATEST)
        token = str(page[-1].number) if page and page[-1].number > 0 else ""
        return artifact_pb2.ListVersionsResponse(versions=page, next_page_token=token)

    async def GetFileLinks(self, request: artifact_pb2.GetFileLinksRequest) -> artifact_pb2.GetFileLinksResponse:
        return artifact_pb2.GetFileLinksResponse(links=await self._files.links(request.run, request.paths))

    def _commit(
        self, collection: Collection, version: artifact_pb2.ArtifactVersion, aliases: list[str]
    ) -> tuple[int, bool]:
        self._blobs.check_present(collection.entity, collection.project, version.entries)
        number, created = versions.commit(self._s3, collection, version)
        for alias in aliases:
            versions.set_alias(self._s3, collection, alias, number)
        return number, created

    def _described(self, collection: Collection, number: int) -> artifact_pb2.ArtifactVersion:
        """A version with the aliases that point at it now."""
        version = versions.read(self._s3, collection, number)
        names = [alias for alias, at in versions.aliases(self._s3, collection).items() if at == number]
        if versions.newest(self._s3, collection) == number:
            names.append(LATEST)
        version.aliases.extend(sorted(names))
        return version

    async def _call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*args, **kwargs))


class ArtifactService:
    """Versions data sets and models. Stateless: any replica answers anything."""

    name = "artifact"

    def __init__(self, s3: S3, store: Store) -> None:
        self._s3 = s3
        self._blobs = Blobs(s3)
        self._files = RunFiles(store, s3)
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="artifact")
        methods = _Methods(s3, self._blobs, self._files, self._threads)
        self._unary = Unary(artifact_pb2.DESCRIPTOR.services_by_name["ArtifactService"], methods)

    def add_to_grpc(self, server: grpc.aio.Server, /) -> None:
        """Registers the methods."""
        self._unary.add_to_grpc(server)

    def add_to_http(self, app: web.Application, /) -> None:
        """Registers the methods' JSON form, and the way to runs' files."""
        self._unary.add_to_http(app)
        self._files.add_to_http(app)

    async def start(self) -> None:
        """Makes the bucket if need be. Raises StorageUnavailable if S3 does not answer."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._s3.ensure_bucket)

    def not_ready_because(self) -> str | None:
        """Calls try S3 themselves and say what is wrong."""
        return None

    async def drain(self) -> None:
        """Calls are short; the host waits for them."""

    async def stop(self) -> None:
        """Ends threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._blobs.close()
        self._s3.close()


def build(s3: S3, store: Store) -> ArtifactService:
    """The service on a bucket, and on a store whose schema is migrated."""
    return ArtifactService(s3, store)


def _project(name: str, role: Role) -> tuple[str, str]:
    entity, project = split_name("project", name, 2)
    entity = require(current_caller(), entity, role)
    check_project(entity, project)
    return entity, project


def _collection(field: str, name: str) -> Collection:
    pieces = name.split("/")
    if len(pieces) != 3:
        raise InvalidField(field, f"must have the form entity/project/collection, not {name!r}")
    entity = require(current_caller(), pieces[0], Role.VIEWER)
    check_project(entity, pieces[1])
    return Collection(entity, pieces[1], check_name(field, pieces[2]))


def _check_texts(request: artifact_pb2.CommitVersionRequest) -> None:
    for field in ("description", "metadata_json", "run"):
        if len(getattr(request, field)) > _MAX_TEXT_CHARS:
            raise InvalidField(field, f"has over {_MAX_TEXT_CHARS} characters")
    try:
        if request.metadata_json and not isinstance(json.loads(request.metadata_json), dict):
            raise ValueError("it is no object")
    except (ValueError, RecursionError) as error:
        raise InvalidField("metadata_json", f"is no JSON object: {error}") from error


def _version(request: artifact_pb2.CommitVersionRequest) -> artifact_pb2.ArtifactVersion:
    version = artifact_pb2.ArtifactVersion(
        type=request.type,
        digest=digest(request.entries),
        entries=sorted(request.entries, key=lambda entry: entry.path),
        description=request.description,
        metadata_json=request.metadata_json,
        run=request.run,
        size=sum(entry.size for entry in request.entries),
    )
    version.create_time.FromMilliseconds(time.time_ns() // 1_000_000)
    return version
