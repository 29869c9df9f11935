"""The ingest service, put together: all clocks, sockets and engines are made or met here.

    stream ─► room ─► session ─► batcher ─► committer ─► ClickHouse
              (how much) (decides) (when)    (how)
       ▲                                        │
       └──────────── refusals, acks ◄───────────┘ done(outcome)

Built from right to left: the batcher needs the commit it calls, a stream needs the batcher it submits to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc.aio
from aiohttp import web

from ingest import metrics
from ingest.batcher import Batcher
from ingest.commit import Committer
from ingest.quotas import Quotas
from ingest.room import Room
from ingest.session import Session
from ingest.settings import Settings
from ingest.stream import Stream, parsed
from ingest.writers import Writers
from runstream.errors import InvalidField, RunstreamError, Stopping, Superseded
from runstream.service import status
from runstream.service.caller import Role, current_caller, require
from runstream.store.client import Store
from runstream.v1 import ingest_pb2

_SERVICE = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name
_Context = grpc.aio.ServicerContext[bytes, ingest_pb2.PublishResponse]

# A client never holds more points than it was advised to put in a batch, so this many arrive at once at most,
# give or take those who came when fewer streams were open.
_POINTS_ARRIVING = 2_000_000
_LEAST_BATCH_POINTS = 1_000


class IngestService:
    """Takes Publish streams. Stateless: any replica takes any writer at any time."""

    name = "ingest"

    def __init__(self, store: Store, settings: Settings) -> None:
        settings.validate()
        self._settings = settings
        self._committer = Committer(store, settings, self._slow_down)
        self._batcher = Batcher(self._committer.commit, settings)
        self._room = Room(settings.max_pending_bytes, settings.max_waiting_bytes_per_api_key)
        self._quotas = Quotas(settings)
        self._writers: Writers[Stream] = Writers()
        self._streams: set[Stream] = set()
        self._is_draining = False

    async def start(self) -> None:
        """Begins to flush."""
        self._batcher.start()
        metrics.pending_points.set_function(lambda: self._batcher.pending_points)
        metrics.pending_bytes.set_function(lambda: self._room.used_bytes)
        metrics.waiting_bytes.set_function(lambda: self._room.waiting_bytes)
        metrics.oldest_seconds.set_function(self._batcher.oldest_age_s)

    def not_ready_because(self) -> str | None:
        """Draining, or ClickHouse is in trouble."""
        if self._is_draining:
            return "draining"
        return self._committer.trouble or None

    def add_to_grpc(self, server: grpc.aio.Server, /) -> None:
        """Registers Publish. Messages come as bytes: they are parsed when there is room for them."""
        publish: grpc.RpcMethodHandler[bytes, ingest_pb2.PublishResponse] = grpc.stream_stream_rpc_method_handler(
            self.Publish, response_serializer=ingest_pb2.PublishResponse.SerializeToString
        )
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE, {"Publish": publish})])

    def add_to_http(self, app: web.Application, /) -> None:
        """Ingest speaks gRPC only."""

    async def drain(self) -> None:
        """Asks every client to go elsewhere, commits what came and sends the last acks."""
        self._is_draining = True
        for stream in list(self._streams):
            stream.tell(ingest_pb2.PublishResponse(drain=ingest_pb2.Drain()))
        await self._batcher.drain()
        for stream in list(self._streams):
            await stream.finish()

    async def stop(self) -> None:
        """Ends the batcher; what is not committed was never acknowledged."""
        await self._batcher.stop()

    async def Publish(self, requests: AsyncIterator[bytes], context: _Context) -> None:
        """Serves one writer's stream."""
        try:
            await self._serve(requests, context)
        except RunstreamError as error:
            await context.abort(*status.to_grpc(error))

    async def _serve(self, requests: AsyncIterator[bytes], context: _Context) -> None:
        if self._is_draining:
            raise Stopping("server is stopping", next_step="open the stream again")
        try:
            async with asyncio.timeout(self._settings.idle_timeout_s):
                first = await anext(requests, None)
        except TimeoutError:
            first = None
        if first is None:
            return
        request = parsed(first)
        if request.WhichOneof("message") != "open":
            raise InvalidField("message", "must be open at the beginning of a stream")
        caller = current_caller()
        entity = require(caller, request.open.entity, Role.WRITER)
        usage = self._quotas.open_stream(caller.key_id)
        try:
            advised = max(_LEAST_BATCH_POINTS, _POINTS_ARRIVING // (len(self._streams) + 1))
            batch_points = min(advised, self._settings.max_batch_points)
            session = Session(request.open, entity, self._settings, batch_points=batch_points, hold=usage.hold)
            stream = Stream(session, context.write, caller.key_id, usage, self._room, self._batcher, self._settings)
            await self._serve_stream(stream, session, requests)
        finally:
            self._quotas.close_stream(caller.key_id)

    async def _serve_stream(self, stream: Stream, session: Session, requests: AsyncIterator[bytes]) -> None:
        stale = self._writers.claim(session.who, stream)
        if stale is not None:
            stale.end(Superseded("a newer stream of this writer is open", next_step="only one may write"))
        self._streams.add(stream)
        metrics.streams_open.inc()
        try:
            await stream.serve(requests)
        finally:
            self._streams.discard(stream)
            self._writers.leave(session.who, stream)
            metrics.streams_open.dec()
            metrics.streams_ended.labels(stream.how_ended).inc()

    def _slow_down(self, delay_s: float) -> None:
        pace = ingest_pb2.PublishResponse(pace=ingest_pb2.Pace(delay_ms=int(delay_s * 1000)))
        for stream in self._streams:
            stream.tell(pace)


def build(store: Store, settings: Settings) -> IngestService:
    """The service on a store whose schema is migrated."""
    return IngestService(store, settings)
