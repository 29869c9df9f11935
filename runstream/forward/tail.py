"""Follows one writer's spool to a closed account: read, send, hear acks, receipt.

Owns the ledger of its writer and the order of things; the stream below it may break at any point, then
everything after the last ack is read and sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from runstream.capture.line import Line
from runstream.capture.records import console_records
from runstream.forward.backoff import delay_s
from runstream.forward.encode import KeyTable, batch_points, encode, to_record
from runstream.forward.settings import ForwardSettings
from runstream.forward.stream import PublishStream, StreamEnded
from runstream.forward.uploads import UploadRefused, Uploads
from runstream.forward.watch import Watch, Watched
from runstream.spool.clock import later_us, wall_us
from runstream.spool.ledger import InFlight, Ledger
from runstream.spool.places import AUXILIARY, LAST_WORDS_FILE, WRITER_LOCK, is_locked
from runstream.spool.reader import Chunk, SpoolReader
from runstream.v1 import common_pb2, ingest_pb2, record_pb2
from runstream.wire import enum_name

# A pump ends within two seconds of its process.
_LAST_WORDS_TRIES, _LAST_WORDS_WAIT_S = 25, 0.1

Connect = Callable[[Ledger], Awaitable[PublishStream]]


class GaveUp(Exception):
    """The server could not be reached, or refused, for good; the spool stays."""


def read_identity(directory: Path) -> ingest_pb2.Open:
    """Who the writer is, from its ``writer.json``.

    Raises:
        GaveUp: the file cannot be read, or does not say it.
    """
    try:
        who = json.loads((directory / "writer.json").read_text("utf-8"))
        is_auxiliary = who.get(AUXILIARY) is True
        return ingest_pb2.Open(**{name: who[name] for name in _IDENTITY}, is_auxiliary=is_auxiliary)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise GaveUp(f"writer.json cannot be read: {type(error).__name__}: {error}") from error


_IDENTITY = ("entity", "project", "run", "attempt", "rank", "world_size", "writer", "host", "process_id", "started_us")


class WriterTail:
    """The way of one writer's spool to the server.

    Args:
        directory: the writer's directory.
        connect: makes a stream whose acks and refusals go to the given ledger.
        settings: the forwarder's settings.
        report: told how it goes: a state and a message, for the training process to print.
        watch: looks after the spool while it is silent.
        read_bytes: how much may be read at once now.
        now_us: the wall clock; it may jump.
    """

    def __init__(
        self,
        directory: Path,
        connect: Connect,
        settings: ForwardSettings,
        report: Callable[[str, str], None],
        watch: Watch,
        read_bytes: Callable[[], int],
        *,
        now_us: Callable[[], int] = wall_us,
    ) -> None:
        self.directory = directory
        self.ledger = Ledger(directory)
        self._connect = connect
        self._settings = settings
        self._report = report
        self._watch = watch
        self._read_bytes = read_bytes
        self._now_us = now_us
        self.on_gone: Callable[[], None] = lambda: None
        """Called, perhaps again and again, when the writer is seen to have gone and all of its spool is read."""
        self.another_connected = asyncio.Event()
        """Set for a moment when another tail of the forwarder reaches the server."""
        self._open = read_identity(directory)
        self._was_opened = False
        project = f"{self._open.entity or '-'}/{self._open.project}"
        self._uploads = Uploads(directory, project, settings.base_url, settings.api_key)
        self._saw_time(self._open.started_us)
        self._next_virtual_seq = 0
        self._gaps = 0
        self._last_progress = time.monotonic()
        self._last_heartbeat = time.monotonic()
        self._last_cleaned = 0.0

    async def run(self) -> dict[str, Any]:
        """Forwards until the account is closed and returns the receipt.

        Raises:
            GaveUp: no progress for too long after the writer has gone, or the server refuses this writer.
        """
        failures = 0
        if self.ledger.is_damaged:
            self.ledger.begin_again()
        while True:
            try:
                return await self._forward_once()
            except StreamEnded as ended:
                self.ledger.forget_in_flight()
                failures = 0 if self._progressed_lately() else failures + 1
                self._report("refused" if ended.is_permanent else "unreachable", str(ended))
                if ended.is_permanent or self._should_give_up():
                    raise GaveUp(str(ended)) from ended
                await self._rest(max(delay_s(max(failures, 1)), ended.retry_after_s), is_asked=ended.retry_after_s > 0)

    async def _rest(self, seconds: float, *, is_asked: bool) -> None:
        """Waits before the next try; not longer than the server is away, if that was why and another tail learns it."""
        if self._was_opened or is_asked:
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.another_connected.wait(), seconds)

    async def _forward_once(self) -> dict[str, Any]:
        self._was_opened = False
        stream = await self._connect(self.ledger)
        reader = SpoolReader(self.directory, after_seq=self.ledger.account.acked_seq_inclusive)
        spool = Watched(reader.has_more, self.writer_is_alive, stream.heard.set, bool(self.ledger.account.state))
        self._gaps = 0
        try:
            await stream.open(self._open_message())
            self._was_opened = True
            self._report("connected", "")
            keys = KeyTable()
            while (chunk := await self._next_chunk(reader, stream, spool)) is not None:
                await self._send_chunk(stream, chunk, keys)
            return await self._close_account(stream, reader)
        finally:
            reader.close()
            await stream.close()

    async def _next_chunk(self, reader: SpoolReader, stream: PublishStream, spool: Watched) -> Chunk | None:
        """Waits for more; None once the writer has gone and all of it is read."""
        while True:
            has_gone = not self.writer_is_alive()
            await self._heartbeat_if_due(stream)
            self._delete_acked(reader)  # also while nothing comes: a writer whose spool is full waits for it
            await self._leave_if_draining(stream)
            # After the look at the lock: what it wrote last is then there.
            chunk = reader.read(max_bytes=self._read_bytes(), is_final=has_gone)
            if chunk is not None:
                spool.grew_at = asyncio.get_running_loop().time()
                spool.is_ending = any("writer" in record for _, record in chunk.records)
                return chunk
            if has_gone and not reader.is_in_doubt:
                return None
            self._watch.wait_for(spool)
            await stream.wait(max(0.0, self._last_heartbeat + self._settings.heartbeat_s - time.monotonic()))

    async def _send_chunk(self, stream: PublishStream, chunk: Chunk, keys: KeyTable) -> None:
        self._note_damage(chunk)
        self._next_virtual_seq = chunk.last_seq_inclusive + 1
        if chunk.last_seq_inclusive < chunk.first_seq:
            return
        await self._upload_files(chunk, stream)
        urgent = any("writer" in record for _, record in chunk.records)
        max_points = min(self._settings.max_batch_points, stream.opened.max_batch_points)
        for batch in encode(chunk, keys, max_points=max_points, urgent=urgent):
            self._gaps += chunk.senseless_between(batch.first_seq, batch.last_seq_inclusive)
            await self._send(stream, batch)

    async def _upload_files(self, chunk: Chunk, stream: PublishStream) -> None:
        async def meanwhile(most_s: float) -> None:
            await self._heartbeat_if_due(stream)
            await self._leave_if_draining(stream)
            if self._uploads.trouble:
                self._report("waiting", self._uploads.trouble)
                if self._should_give_up():
                    raise GaveUp(self._uploads.trouble)
            await stream.wait(most_s)

        try:
            if await self._uploads.before_sending(chunk, meanwhile, stream.heard.set):
                self._report("connected", "")
        except UploadRefused as error:
            self._report("refused", str(error))
            raise GaveUp(str(error)) from error

    async def _leave_if_draining(self, stream: PublishStream) -> None:
        if stream.draining:
            await self._wait_for_acks(stream)
            raise StreamEnded(None, "server is draining")

    async def _send(self, stream: PublishStream, batch: ingest_pb2.Batch) -> None:
        while len(self.ledger.in_flight) >= max(stream.opened.max_batches_in_flight, 1):
            await stream.wait(1.0)
        gaps, self._gaps = self._gaps, 0
        self.ledger.sent(
            InFlight(
                last_seq_inclusive=batch.last_seq_inclusive,
                points=batch_points(batch),
                refused_by_client=sum(int(record.refused.count) for record in batch.records),
                state=max((record.writer.state for record in batch.records), default=0),
                exit_code=max((record.writer.exit_code for record in batch.records), default=0),
                gaps=gaps,
            )
        )
        for record in batch.records:
            self._saw_time(record.time_us)
            if record.HasField("refused"):
                self._keep_own_refusal(record.seq, record.refused)
        self._last_progress = time.monotonic()
        await stream.send(batch)

    async def _close_account(self, stream: PublishStream, reader: SpoolReader) -> dict[str, Any]:
        """Sends the end of a writer that could not say it, then the receipt, and closes the account."""
        self.on_gone()
        seq = max(self._next_virtual_seq, self.ledger.account.acked_seq_inclusive + 1)
        if not (self.ledger.account.state or any(batch.state for batch in self.ledger.in_flight)):
            for said in console_records(await self._last_words()):
                await self._send_record(stream, to_record(seq, {"timeUs": str(self._next_time_us()), **said}))
                seq += 1
            crashed = record_pb2.WriterState(state=common_pb2.RUN_STATE_CRASHED)
            await self._send_record(stream, record_pb2.Record(seq=seq, time_us=self._next_time_us(), writer=crashed))
            seq += 1
        await self._wait_for_acks(stream)
        account = record_pb2.Record(seq=seq, time_us=self._next_time_us(), receipt=self._receipt())
        await self._send_record(stream, account)
        await self._wait_for_acks(stream)
        receipt = self.ledger.close()
        for segment in reader.finished_segments():
            segment.unlink(missing_ok=True)
        self._uploads.close()
        return receipt

    async def _last_words(self) -> list[Line]:
        """Lines of output that the killed process had not taken over; its pump may still be writing them."""
        from runstream.capture.console import read_last_words  # few writers are killed

        path = self.directory / LAST_WORDS_FILE
        for _ in range(_LAST_WORDS_TRIES):
            if not path.with_name(path.name + ".building").exists():
                break
            await asyncio.sleep(_LAST_WORDS_WAIT_S)
        try:
            return read_last_words(path)
        except (OSError, ValueError, TypeError):
            return []  # damaged; what the spool holds is sent all the same

    async def _send_record(self, stream: PublishStream, record: record_pb2.Record) -> None:
        batch = ingest_pb2.Batch(first_seq=record.seq, last_seq_inclusive=record.seq, records=[record], urgent=True)
        await self._send(stream, batch)

    async def _wait_for_acks(self, stream: PublishStream) -> None:
        while self.ledger.in_flight:
            await stream.wait(1.0)

    async def _heartbeat_if_due(self, stream: PublishStream) -> None:
        now = time.monotonic()
        if now - self._last_heartbeat >= self._settings.heartbeat_s:
            self._last_heartbeat = now
            await stream.heartbeat(self._next_time_us(), self._receipt())

    def writer_is_alive(self) -> bool:
        """Whether the training process still holds its lock."""
        return is_locked(self.directory / WRITER_LOCK)

    def _saw_time(self, time_us: int) -> None:
        self.ledger.account.clock_us = max(self.ledger.account.clock_us, time_us)

    def _next_time_us(self) -> int:
        """A time after all that was said; on disk before it is said, or the next forwarder might go below it."""
        self._saw_time(later_us(self.ledger.account.clock_us, self._now_us()))
        self.ledger.keep()
        return self.ledger.account.clock_us

    def _receipt(self) -> record_pb2.Receipt:
        account = self.ledger.account
        gaps = account.gaps + self._gaps
        return record_pb2.Receipt(sent=account.sent, stored=account.stored, refused=account.refused, gaps=gaps)

    def _open_message(self) -> ingest_pb2.Open:
        message = ingest_pb2.Open()
        message.CopyFrom(self._open)
        message.state.state = common_pb2.RunState.ValueType(self.ledger.account.state)
        message.state.exit_code = self.ledger.account.exit_code
        return message

    def _note_damage(self, chunk: Chunk) -> None:
        senseless = sum(n for _, n in chunk.senseless)
        if not chunk.damaged_bytes and not chunk.lost_seqs and not senseless:
            return
        self._gaps += chunk.lost_seqs
        lost = chunk.lost_seqs + senseless
        message = f"{chunk.damaged_bytes} bytes of the spool could not be read, {lost} frames lost"
        self.ledger.keep_refusal(
            {"reason": "SPOOL_DAMAGED", "field": "", "message": message, "count": 0, "last_seq": chunk.first_seq}
        )

    def _keep_own_refusal(self, seq: int, refused: record_pb2.Refused) -> None:
        reason = enum_name(record_pb2.RefusalReason, refused.reason, "REFUSAL_REASON_")
        self.ledger.keep_refusal(
            {
                "reason": reason,
                "field": refused.field,
                "message": refused.message,
                "count": int(refused.count),
                "last_seq": seq,
            }
        )

    def _delete_acked(self, reader: SpoolReader) -> None:
        self._uploads.acked(self.ledger.account.acked_seq_inclusive)
        now = time.monotonic()
        if now - self._last_cleaned >= 1.0:
            self._last_cleaned = now
            for segment in reader.acked_segments(self.ledger.account.acked_seq_inclusive):
                segment.unlink(missing_ok=True)

    def _progressed_lately(self) -> bool:
        return time.monotonic() - self._last_progress < 1.0

    def _should_give_up(self) -> bool:
        stalled = time.monotonic() - self._last_progress > self._settings.give_up_after_s
        return stalled and not self.writer_is_alive()
