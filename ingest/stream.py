"""Drives one writer's session: reads the wire, submits, writes what there is to say.

bytes ─► room ─► session ─► batcher          in turn with the other streams
client ◄─ refusals, acks ◄─ done(outcome)
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator
from typing import Protocol

from google.protobuf.message import DecodeError

from ingest import metrics
from ingest.batcher import Batcher
from ingest.part import Outcome, Part
from ingest.quotas import Usage
from ingest.room import Room
from ingest.session import Action, Reply, Session
from ingest.settings import Settings
from runstream.errors import InvalidField, RunstreamError
from runstream.v1 import ingest_pb2

# What a message costs in memory beside its own bytes: a small one is mostly this.
_OVERHEAD_BYTES = 1024
_LAST_WRITE_S = 1.0


class Say(Protocol):
    """Sends a message to the client."""

    async def __call__(self, message: ingest_pb2.PublishResponse, /) -> None:
        """Returns when the transport has taken it."""


class Stream:
    """One open stream.

    Args:
        session: decides.
        say: sends to the client.
        api_key: whose turn it takes in room and batcher.
        usage: what the API key may use.
        room: bounds what is in memory.
        batcher: where parts go.
        settings: how long it may be idle.
    """

    def __init__(
        self, session: Session, say: Say, api_key: str, usage: Usage, room: Room, batcher: Batcher, settings: Settings
    ) -> None:
        self._session = session
        self._say = say
        self._name = (api_key, session.who.place.run_id)
        self._usage = usage
        self._room = room
        self._batcher = batcher
        self._settings = settings
        self._replies: asyncio.Queue[ingest_pb2.PublishResponse | None] = asyncio.Queue()
        self._all_acked = asyncio.Event()
        self._reader: asyncio.Task[str | None] | None = None
        self._ended_by: RunstreamError | None = None
        self.how_ended = "broken"

    async def serve(self, requests: AsyncIterator[bytes]) -> None:
        """Until the client half-closes or falls silent and everything is acked, or the call breaks.

        Raises:
            RunstreamError: why the server ended it.
        """
        writer = asyncio.create_task(self._write())
        self._reader = asyncio.create_task(self._read(requests))
        try:
            await asyncio.wait((self._reader, writer), return_when=asyncio.FIRST_COMPLETED)
            if self._ended_by is not None:
                raise self._ended_by
            if writer.done():
                writer.result()
                self.how_ended = "drained"
                return
            self.how_ended = self._reader.result() or "closed"
            await self.finish()
            await writer
        except RunstreamError as error:
            self.how_ended = error.reason.lower()
            raise
        finally:
            self._reader.cancel()
            # A status that meets a write under way is lost, and the client waits for its deadline.
            self._replies.put_nowait(None)
            await asyncio.wait((writer,), timeout=_LAST_WRITE_S)
            writer.cancel()
            await asyncio.gather(self._reader, writer, return_exceptions=True)
            self._usage.release(self._session.keys.held())

    def tell(self, message: ingest_pb2.PublishResponse) -> None:
        """Queues a message for the client."""
        self._replies.put_nowait(message)

    def end(self, error: RunstreamError) -> None:
        """Ends the stream; nothing more of it is accepted from now on."""
        self._ended_by = error
        if self._reader is not None:
            self._reader.cancel()

    async def finish(self) -> None:
        """Waits for the outcome of what was submitted, then ends the stream politely."""
        while not self._session.is_idle:
            self._all_acked.clear()
            await self._all_acked.wait()
        self._replies.put_nowait(None)

    async def _read(self, requests: AsyncIterator[bytes]) -> str | None:
        """Returns how the stream ended, None if the client closed it."""
        self._act(self._session.opened(_now_us()), 0, time.monotonic())
        while True:
            try:
                async with asyncio.timeout(self._settings.idle_timeout_s):
                    data = await anext(requests, None)
            except TimeoutError:
                return "idle"
            if data is None:
                return None
            received_s = time.monotonic()
            metrics.received_bytes.inc(len(data))
            size = len(data) + _OVERHEAD_BYTES
            await self._room.enter(self._name, size)
            try:
                actions = self._session.message(parsed(data), _now_us())
            except BaseException:
                self._room.leave(size)
                raise
            del data
            points = self._act(actions, size, received_s)
            await self._keep_pace(points)

    def _act(self, actions: list[Action], size: int, received_s: float) -> int:
        points = 0
        for action in actions:
            if isinstance(action, Reply):
                self.tell(action.message)
                continue
            points += action.points
            done = functools.partial(self._done, action.ticket, size, received_s)
            self._batcher.submit(
                Part(
                    action.token,
                    action.blocks,
                    action.rows,
                    action.points,
                    action.is_urgent,
                    self._name,
                    received_s,
                    done,
                )
            )
            size = 0  # a message is one part; what else it may become takes no room of its own
        if size:
            self._room.leave(size)  # of a message that became none
        return points

    async def _keep_pace(self, points: int) -> None:
        delay_s = self._usage.pace_s(points, time.monotonic())
        if delay_s > 0:
            self.tell(ingest_pb2.PublishResponse(pace=ingest_pb2.Pace(delay_ms=int(delay_s * 1000))))
            await asyncio.sleep(delay_s)

    async def _write(self) -> None:
        while (message := await self._replies.get()) is not None:
            await self._say(message)

    def _done(self, ticket: int, size: int, received_s: float, outcome: Outcome) -> None:
        self._room.leave(size)
        if ticket:
            metrics.ack_seconds.observe(time.monotonic() - received_s)
        if not outcome.is_committed:
            self._show_on_run_page(ticket, outcome.message)
        for action in self._session.outcome(ticket, outcome):
            if isinstance(action, Reply):
                if action.message.HasField("refusal"):
                    metrics.count_refusal(action.message.refusal.reason, action.message.refusal.count)
                self.tell(action.message)
        if self._session.is_idle:
            self._all_acked.set()

    def _show_on_run_page(self, ticket: int, message: str) -> None:
        rows = self._session.rejection_rows(ticket, message)
        if rows:
            token = f"rejected-{self._session.who.writer}-{ticket}"
            now_s = time.monotonic()
            self._batcher.submit(Part(token, [], rows, 0, False, self._name, now_s, lambda outcome: None))


def parsed(data: bytes) -> ingest_pb2.PublishRequest:
    """A message of the client. Raises InvalidField."""
    try:
        return ingest_pb2.PublishRequest.FromString(data)
    except DecodeError as error:
        raise InvalidField("message", "is no PublishRequest, or a text in it is not UTF-8") from error


def _now_us() -> int:
    return time.time_ns() // 1000
