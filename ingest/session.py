"""One writer's stream as a state machine: message in, actions out. Pure: no sockets, clocks or engine.

    open ──► Reply(opened), Submit(run and writer rows)
    batch ─► Submit(part)            later: outcome(part) ─► Reply(refusal)*, Reply(ack up to here)
    heartbeat ─► Submit(writer row)
    An auxiliary writer has no writer row.

Acks are in order: a batch is acked when it and all before it are committed or refused. The writer's row is
whole in every update, so the session keeps its state and account.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.decode import decode
from ingest.decode_records import MAX_TIME_MS
from ingest.decoded import Decoded
from ingest.keys import StreamKeys
from ingest.part import Outcome
from ingest.settings import Settings
from runstream import names
from runstream.errors import InvalidField
from runstream.store.points import Place, PointBlock
from runstream.store.records import Row, WriterIdentity, refusal_row, run_row, writer_row
from runstream.v1 import common_pb2, ingest_pb2, record_pb2


@dataclass(frozen=True)
class Reply:
    """Send this to the client."""

    message: ingest_pb2.PublishResponse


@dataclass(frozen=True)
class Submit:
    """Commit this; tell the session its outcome by ``ticket``. ``ticket`` 0 wants no answer."""

    ticket: int
    blocks: list[PointBlock]
    rows: list[Row]
    points: int
    is_urgent: bool


Action = Reply | Submit
# What a later client says of its end, and this server does not know, is not worth its points.
_KNOWN_STATES = frozenset(common_pb2.RunState.values()) - {common_pb2.RUN_STATE_UNSPECIFIED}


@dataclass
class _Waiting:
    """A batch whose outcome is awaited, or known but not yet acked because an earlier one is not."""

    ticket: int
    first_seq: int
    last_seq: int
    points: int
    refusals: list[ingest_pb2.Refusal] = field(default_factory=list)
    is_done: bool = False


class Session:
    """The stream of one writer.

    Args:
        message: the stream's first message, an open.
        entity: the entity it was allowed for.
        settings: limits.
        batch_points: most points the client is asked to put in a batch; fewer when many streams are open.
        hold: keeps a metric key's name, see StreamKeys.

    Raises:
        InvalidField: the message is no open, or a name in it cannot be.
    """

    def __init__(
        self,
        message: ingest_pb2.Open,
        entity: str,
        settings: Settings,
        *,
        batch_points: int = 0,
        hold: Callable[[str], str] = str,
    ) -> None:
        self.who = _identity(message, entity)
        self.keys = StreamKeys(settings.max_stream_keys, hold)
        self._settings = settings
        self._batch_points = batch_points or settings.max_batch_points
        self._is_auxiliary = message.is_auxiliary
        self._waiting: deque[_Waiting] = deque()
        self._next_ticket = 1
        self._last_seq = 0
        self._state = message.state
        if self._state.state not in _KNOWN_STATES:
            self._state = record_pb2.WriterState(state=common_pb2.RUN_STATE_RUNNING)
        self._account = record_pb2.Receipt()

    @property
    def is_idle(self) -> bool:
        """Whether every batch is acked."""
        return not self._waiting

    def opened(self, now_us: int) -> list[Action]:
        """The answer to the open; ``now_us`` places the writer's row among its updates."""
        limits = ingest_pb2.Opened(
            max_message_bytes=self._settings.max_message_bytes,
            max_batch_points=self._batch_points,
            max_batches_in_flight=self._settings.max_batches_in_flight,
        )
        rows = [run_row(self.who), *self._writer_rows(self.who.started_us, now_us)]
        return [Reply(ingest_pb2.PublishResponse(opened=limits)), Submit(0, [], rows, 0, False)]

    def message(self, request: ingest_pb2.PublishRequest, now_us: int) -> list[Action]:
        """What to do about a message after the open.

        Raises:
            InvalidField: the message breaks the protocol; the stream must end.
        """
        kind = request.WhichOneof("message")
        if kind == "batch":
            return self._batch(request.batch, now_us)
        if kind == "heartbeat":
            self._account = request.heartbeat.so_far
            time_us = request.heartbeat.time_us or now_us
            rows = self._writer_rows(time_us, now_us)
            return [Submit(0, [], rows, 0, False)] if rows else []
        raise InvalidField("message", f"must be batch or heartbeat after open, not {kind}")

    def outcome(self, ticket: int, outcome: Outcome) -> list[Action]:
        """What to do when a submitted batch ended."""
        for waiting in self._waiting:
            if waiting.ticket == ticket:
                waiting.is_done = True
                if not outcome.is_committed:
                    waiting.refusals = [self._rejected(waiting, outcome.message)]
        actions: list[Action] = []
        acked = 0
        while self._waiting and self._waiting[0].is_done:
            waiting = self._waiting.popleft()
            actions += [Reply(ingest_pb2.PublishResponse(refusal=refusal)) for refusal in waiting.refusals]
            acked = waiting.last_seq
        if acked:
            actions.append(Reply(ingest_pb2.PublishResponse(ack=ingest_pb2.Ack(acked_seq_inclusive=acked))))
        return actions

    def rejection_rows(self, ticket: int, message: str) -> list[Row]:
        """Rows that show on the run's page what ClickHouse refused."""
        for waiting in self._waiting:
            if waiting.ticket == ticket:
                refusal = self._rejected(waiting, message)
                return [refusal_row(self.who, waiting.last_seq, refusal.reason, "", message, refusal.count)]
        return []

    def _batch(self, batch: ingest_pb2.Batch, now_us: int) -> list[Action]:
        first, last = batch.first_seq, batch.last_seq_inclusive
        if not self._last_seq < first <= last:
            raise InvalidField(
                "first_seq", f"range {first} to {last} must begin after {self._last_seq} and not be empty"
            )
        self._last_seq = last
        decoded = decode(batch, self.who, self.keys, max_points=self._settings.max_batch_points)
        rows = decoded.rows + self._own_row(decoded, now_us)
        ticket, self._next_ticket = self._next_ticket, self._next_ticket + 1
        self._waiting.append(_Waiting(ticket, first, last, decoded.points, decoded.refusals))
        return [Submit(ticket, decoded.blocks, rows, decoded.points, batch.urgent)]

    def _own_row(self, decoded: Decoded, now_us: int) -> list[Row]:
        if decoded.writer_state is None and decoded.receipt is None:
            return []
        self._state = decoded.writer_state or self._state
        self._account = decoded.receipt or self._account
        return self._writer_rows(decoded.time_us, now_us, complete=decoded.receipt is not None)

    def _writer_rows(self, time_us: int, heard_us: int, *, complete: bool = False) -> list[Row]:
        if self._is_auxiliary:
            return []
        state, account = self._state, self._account
        return [writer_row(self.who, state, account, time_us=time_us, heard_us=heard_us, complete=complete)]

    def _rejected(self, waiting: _Waiting, message: str) -> ingest_pb2.Refusal:
        return ingest_pb2.Refusal(
            first_seq=waiting.first_seq,
            last_seq_inclusive=waiting.last_seq,
            reason=record_pb2.REFUSAL_REASON_STORE_REJECTED,
            message=message,
            count=waiting.points + sum(refusal.count for refusal in waiting.refusals),
        )


def _identity(message: ingest_pb2.Open, entity: str) -> WriterIdentity:
    for field_name, name in (("entity", entity), ("project", message.project), ("run", message.run)):
        problem = names.name_problem(name)
        if problem:
            raise InvalidField(field_name, problem)
    if not 1 <= len(message.writer) <= 64:
        raise InvalidField("writer", f"must have 1 to 64 characters, not {len(message.writer)}")
    if names.has_control_characters(message.writer):
        raise InvalidField("writer", "contains control characters")
    if message.started_us // 1000 > MAX_TIME_MS:
        raise InvalidField("started_us", f"must be at most {MAX_TIME_MS} ms since 1970, not {message.started_us} us")
    place = Place(
        names.project_id(entity, message.project),
        names.run_id(entity, message.project, message.run),
        message.rank,
        message.attempt,
    )
    return WriterIdentity(
        place,
        entity,
        message.project,
        message.run,
        message.writer,
        message.world_size or 1,
        message.host[:255],
        message.process_id,
        message.started_us,
    )
