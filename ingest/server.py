"""The ingest service, put together: all clocks, sockets and engines are made or met here.

    stream ─► session ─► batcher ─► committer ─► ClickHouse
              (decides)  (when)     (how)
       ▲                                │
       └──── refusals, acks ◄───────────┘ done(outcome)

Built from right to left: the batcher needs the commit it calls, a stream needs the batcher it submits to.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator

import grpc.aio
import structlog
from aiohttp import web
from google.protobuf.message import DecodeError

from ingest import metrics
from ingest.batcher import Batcher
from ingest.commit import Committer
from ingest.part import Outcome, Part
from ingest.session import Action, Reply, Session
from ingest.settings import Settings
from runstream.errors import InvalidField, RunstreamError, Stopping
from runstream.service import status
from runstream.service.caller import Role, current_caller, require
from runstream.store.client import Store
from runstream.v1 import ingest_pb2, ingest_pb2_grpc

_LAST_WRITE_S = 1.0
_log = structlog.get_logger("ingest")
_Requests = AsyncIterator[ingest_pb2.PublishRequest]
_Context = grpc.aio.ServicerContext[ingest_pb2.PublishRequest, ingest_pb2.PublishResponse]


class IngestService(ingest_pb2_grpc.IngestServiceServicer):
    """Takes Publish streams. Stateless: any replica takes any writer at any time."""

    name = "ingest"

    def __init__(self, store: Store, settings: Settings) -> None:
        settings.validate()
        self._settings = settings
        self._committer = Committer(store, settings, self._slow_down)
        self._batcher = Batcher(self._committer.commit, settings)
        self._streams: set[_Stream] = set()
        self._is_draining = False

    async def start(self) -> None:
        """Begins to flush."""
        self._batcher.start()
        metrics.pending_points.set_function(lambda: self._batcher.pending_points)

    def not_ready_because(self) -> str | None:
        """Draining, or ClickHouse is in trouble."""
        if self._is_draining:
            return "draining"
        return self._committer.trouble or None

    def add_to_grpc(self, server: grpc.aio.Server, /) -> None:
        """Registers Publish."""
        ingest_pb2_grpc.add_IngestServiceServicer_to_server(self, server)

    def add_to_http(self, app: web.Application, /) -> None:
        """Ingest speaks gRPC only."""

    async def drain(self) -> None:
        """Asks every client to go elsewhere, commits what came and sends the last acks."""
        self._is_draining = True
        for stream in list(self._streams):
            stream.say(ingest_pb2.PublishResponse(drain=ingest_pb2.Drain()))
        await self._batcher.drain()
        for stream in list(self._streams):
            await stream.finish()

    async def stop(self) -> None:
        """Ends the batcher; what is not committed was never acknowledged."""
        await self._batcher.stop()

    async def Publish(  # type: ignore[override]  # the stub knows generators only; grpc.aio also takes read and write
        self, request_iterator: _Requests, context: _Context
    ) -> None:
        """Serves one writer's stream."""
        try:
            await self._serve(request_iterator, context)
        except DecodeError as error:
            await context.abort(*status.to_grpc(InvalidField("message", f"is no PublishRequest: {error}")))
        except RunstreamError as error:
            await context.abort(*status.to_grpc(error))

    async def _serve(self, requests: _Requests, context: _Context) -> None:
        if self._is_draining:
            raise Stopping("server is stopping", next_step="open the stream again")
        first = await anext(requests, None)
        if first is None:
            return
        if first.WhichOneof("message") != "open":
            raise InvalidField("message", "must be open at the beginning of a stream")
        entity = require(current_caller(), first.open.entity, Role.WRITER)
        stream = _Stream(Session(first.open, entity, self._settings), context, self._batcher)
        self._streams.add(stream)
        metrics.streams_open.inc()
        try:
            await stream.serve(requests)
        finally:
            self._streams.discard(stream)
            metrics.streams_open.dec()

    def _slow_down(self, delay_s: float) -> None:
        pace = ingest_pb2.PublishResponse(pace=ingest_pb2.Pace(delay_ms=int(delay_s * 1000)))
        for stream in self._streams:
            stream.say(pace)


class _Stream:
    """Drives one session: reads the wire, submits, writes what there is to say."""

    def __init__(self, session: Session, context: _Context, batcher: Batcher) -> None:
        self._session = session
        self._context = context
        self._batcher = batcher
        self._replies: asyncio.Queue[ingest_pb2.PublishResponse | None] = asyncio.Queue()
        self._all_acked = asyncio.Event()
        self._side_tasks: set[asyncio.Task[None]] = set()

    async def serve(self, requests: _Requests) -> None:
        """Until the client half-closes and everything is acked, or the call breaks."""
        writer = asyncio.create_task(self._write())
        reader = asyncio.create_task(self._read(requests))
        try:
            done, _ = await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if reader in done:
                await self.finish()
                await writer
        finally:
            reader.cancel()
            # A status that meets a write under way is lost, and the client waits for its deadline.
            self._replies.put_nowait(None)
            await asyncio.wait((writer,), timeout=_LAST_WRITE_S)
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    def say(self, message: ingest_pb2.PublishResponse) -> None:
        """Queues a message for the client."""
        self._replies.put_nowait(message)

    async def finish(self) -> None:
        """Waits for the outcome of what was submitted, then ends the stream politely."""
        while not self._session.is_idle:
            self._all_acked.clear()
            await self._all_acked.wait()
        self._replies.put_nowait(None)

    async def _read(self, requests: _Requests) -> None:
        await self._act(self._session.opened(_now_us()))
        async for request in requests:
            await self._act(self._session.message(request, _now_us()))

    async def _write(self) -> None:
        while (message := await self._replies.get()) is not None:
            await self._context.write(message)

    async def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Reply):
                self.say(action.message)
                continue
            done = functools.partial(self._done, action.ticket)
            part = Part(action.token, action.blocks, action.rows, action.points, action.is_urgent, done)
            await self._batcher.submit(part)

    def _done(self, ticket: int, outcome: Outcome) -> None:
        if not outcome.is_committed:
            self._show_on_run_page(ticket, outcome.message)
        for action in self._session.outcome(ticket, outcome):
            if isinstance(action, Reply):
                if action.message.HasField("refusal"):
                    refusal = action.message.refusal
                    metrics.count_refusal(refusal.reason, refusal.count)
                self.say(action.message)
        if self._session.is_idle:
            self._all_acked.set()

    def _show_on_run_page(self, ticket: int, message: str) -> None:
        rows = self._session.rejection_rows(ticket, message)
        if rows:
            token = f"rejected-{self._session.who.writer}-{ticket}"
            part = Part(token, [], rows, 0, False, lambda outcome: None)
            task = asyncio.create_task(self._batcher.submit(part))
            self._side_tasks.add(task)
            task.add_done_callback(self._side_tasks.discard)


def build(store: Store, settings: Settings) -> IngestService:
    """The service on a store whose schema is migrated."""
    return IngestService(store, settings)


def _now_us() -> int:
    return time.time_ns() // 1000
