"""The query service, put together: methods to the rooms that answer them, the dashboard, the keys."""

from __future__ import annotations

import grpc.aio
from aiohttp import web

from query.alerts import list_alerts
from query.console import get_console
from query.dashboard import add_dashboard
from query.files import list_files
from query.history import get_history
from query.keys import list_keys
from query.latest import get_latest
from query.reads import Reads
from query.runs import get_run, list_projects, list_runs
from query.settings import Settings
from query.values import get_history_values
from runstream.service.keys import KeyService
from runstream.service.rpc import Unary
from runstream.store.client import Store
from runstream.v1 import key_pb2, query_pb2


class _Methods:
    """The methods of query.proto."""

    def __init__(self, reads: Reads, settings: Settings) -> None:
        self._reads = reads
        self._settings = settings

    async def ListProjects(self, request: query_pb2.ListProjectsRequest) -> query_pb2.ListProjectsResponse:
        return await list_projects(self._reads, request)

    async def ListRuns(self, request: query_pb2.ListRunsRequest) -> query_pb2.ListRunsResponse:
        return await list_runs(self._reads, self._settings, request)

    async def GetRun(self, request: query_pb2.GetRunRequest) -> query_pb2.GetRunResponse:
        return await get_run(self._reads, self._settings, request)

    async def ListKeys(self, request: query_pb2.ListKeysRequest) -> query_pb2.ListKeysResponse:
        return await list_keys(self._reads, request)

    async def GetHistory(self, request: query_pb2.GetHistoryRequest) -> query_pb2.GetHistoryResponse:
        return await get_history(self._reads, request)

    async def GetLatest(self, request: query_pb2.GetLatestRequest) -> query_pb2.GetLatestResponse:
        return await get_latest(self._reads, request)

    async def GetHistoryValues(self, request: query_pb2.GetHistoryValuesRequest) -> query_pb2.GetHistoryValuesResponse:
        return await get_history_values(self._reads, request)

    async def GetConsole(self, request: query_pb2.GetConsoleRequest) -> query_pb2.GetConsoleResponse:
        return await get_console(self._reads, request)

    async def ListFiles(self, request: query_pb2.ListFilesRequest) -> query_pb2.ListFilesResponse:
        return await list_files(self._reads, request)

    async def ListAlerts(self, request: query_pb2.ListAlertsRequest) -> query_pb2.ListAlertsResponse:
        return await list_alerts(self._reads, request)


class QueryService:
    """Answers people, notebooks and the dashboard. Stateless."""

    name = "query"

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._unary = (
            Unary(query_pb2.DESCRIPTOR.services_by_name["QueryService"], _Methods(Reads(store, settings), settings)),
            Unary(key_pb2.DESCRIPTOR.services_by_name["KeyService"], KeyService(store)),
        )

    def add_to_grpc(self, server: grpc.aio.Server, /) -> None:
        """Registers the methods."""
        for unary in self._unary:
            unary.add_to_grpc(server)

    def add_to_http(self, app: web.Application, /) -> None:
        """Registers the methods' JSON form and the dashboard."""
        for unary in self._unary:
            unary.add_to_http(app)
        add_dashboard(app)

    async def start(self) -> None:
        """Nothing to open: the store is given."""

    def not_ready_because(self) -> str | None:
        """Reads are tried; a broken ClickHouse shows in their answers."""
        return None

    async def drain(self) -> None:
        """Calls are short; the host waits for them."""

    async def stop(self) -> None:
        """Nothing to close: the store is its giver's."""


def build(store: Store, settings: Settings) -> QueryService:
    """The service on a store whose schema is migrated."""
    return QueryService(store, settings)
