"""Files of runs: from entity/project/run/path to an URL on S3. Their paths are in ClickHouse, their bytes blobs.

GET /files/<entity>/<project>/<run>/<path> redirects there, for links and programs; a browser that has an API key
cannot send it with an image, so the dashboard asks GetFileLinks instead.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from aiohttp import web

from artifact_svc.layout import blob
from runstream.errors import InvalidField, NotFound
from runstream.names import path_problem, project_id, run_id
from runstream.service import status
from runstream.service.caller import Role, current_caller, require, split_name
from runstream.store.client import Store
from runstream.store.outcome import read_error
from runstream.store.run_files import StoredFile, find
from runstream.store.s3 import PRESIGNED_S, S3
from runstream.v1 import artifact_pb2

MAX_PATHS = 1000


class RunFiles:
    """Leads to the files of runs.

    Args:
        store: where their paths are.
        s3: where their bytes are.
    """

    def __init__(self, store: Store, s3: S3) -> None:
        self._store = store
        self._s3 = s3

    async def links(self, run: str, paths: Sequence[str]) -> list[artifact_pb2.FileLink]:
        """Links to the files that a run has among paths, in their order.

        Raises:
            InvalidField, NotAllowed: the request cannot be, or is not the caller's.
            StorageUnavailable: ClickHouse cannot answer now.
        """
        entity, project, run = split_name("run", run, 3)
        entity = require(current_caller(), entity, Role.VIEWER)
        if not 1 <= len(paths) <= MAX_PATHS:
            raise InvalidField("paths", f"must have 1 to {MAX_PATHS} entries, not {len(paths)}")
        for index, path in enumerate(paths):
            problem = path_problem(path)
            if problem:
                raise InvalidField(f"paths[{index}]", f"{path!r} {problem}")
        place = project_id(entity, project), run_id(entity, project, run)
        try:
            found = await self._store.call(find, self._store, *place, list(paths))
        except Exception as error:
            raise read_error(error) from error
        return [self._link(entity, project, found[path]) for path in dict.fromkeys(paths) if path in found]

    def add_to_http(self, app: web.Application) -> None:
        """Registers /files."""
        app.router.add_get("/files/{entity}/{project}/{run}/{path:.+}", self._redirect)

    def _link(self, entity: str, project: str, file: StoredFile) -> artifact_pb2.FileLink:
        name = file.path.rsplit("/", 1)[-1]
        url = self._s3.presigned_get(blob(entity, project, file.sha256), media_type=file.media_type, file_name=name)
        link = artifact_pb2.FileLink(
            path=file.path, url=url, media_type=file.media_type, size=file.size, sha256=file.sha256
        )
        link.expire_time.FromSeconds(int(time.time()) + PRESIGNED_S)
        return link

    async def _redirect(self, request: web.Request) -> web.Response:
        names = request.match_info
        try:
            run = f"{names['entity']}/{names['project']}/{names['run']}"
            links = await self.links(run, [names["path"]])
            if not links:
                raise NotFound(f"run {run} has no file {names['path']!r}")
        except Exception as error:
            http_status, problem = status.to_http(error)
            return web.json_response(problem, status=http_status)
        # The same path may lead to other bytes later, and to another URL in an hour.
        return web.Response(status=302, headers={"Location": links[0].url, "Cache-Control": "private, no-cache"})
