"""A forwarder's work in one run's directory: one tail a writer, one channel for all.

    spool ─► tail ─► encode ─► stream ─► ingest
              ▲                   │
              └───── acks ────────┘

Owns finding writers, the channel, and the word to the training process (``forwarder.json``). One forwarder
works in a directory: it holds ``forwarder.lock``.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import grpc.aio

from runstream.endpoints import find_endpoints
from runstream.errors import RunstreamError
from runstream.forward.settings import ForwardSettings
from runstream.forward.stream import PublishStream, StreamEnded, open_channel
from runstream.forward.tail import GaveUp, WriterTail
from runstream.forward.watch import Watch
from runstream.spool.ledger import RECEIPT_FILE, Ledger, write_json

_LOOK_FOR_WRITERS_S = 0.2
_OPENING_AT_ONCE = 64
# What all tails together read and hold at once; each reads its share, so thousands with a backlog fit too.
_READ_BYTES = 64 << 20
_READ_BYTES_MIN, _READ_BYTES_MAX = 16 << 10, 4 << 20
# A channel that is left for a new one may still carry last acks of other writers.
_CHANNEL_GRACE_S = 10.0


class Forwarder:
    """Forwards every writer of one run's directory.

    Args:
        settings: how.
        leave_living: leave writers alone whose process is alive; their own forwarder is for them.
    """

    def __init__(self, settings: ForwardSettings, *, leave_living: bool = False) -> None:
        self._settings = settings
        self._leave_living = leave_living
        self._watch = Watch(settings.poll_s, settings.idle_poll_s)
        self._channel: grpc.aio.Channel | None = None
        self._channel_of: dict[Path, grpc.aio.Channel] = {}
        self._connecting = asyncio.Lock()
        self._opening = asyncio.Semaphore(_OPENING_AT_ONCE)
        self._closing: list[asyncio.Task[None]] = []
        self._state: dict[str, str] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._all_ended = asyncio.Event()
        self.receipts: dict[str, dict[str, Any]] = {}
        self.gave_up: dict[str, str] = {}

    async def run(self) -> None:
        """Forwards until every writer's account is closed or given up."""
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for directory in open_writers(self._settings.run_dir, besides=tasks):
                    task = tasks[directory.name] = asyncio.create_task(self._forward(directory))
                    self._running.add(task)
                    task.add_done_callback(self._ended)
                if not self._running:
                    break
                self._all_ended.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._all_ended.wait(), _LOOK_FOR_WRITERS_S)
            for task in tasks.values():
                task.result()  # a defect in a tail must not end in silence
        finally:
            await self._drop_channel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._running:
            self._all_ended.set()

    async def _forward(self, directory: Path) -> None:
        connect = functools.partial(self._connect, directory)
        report = functools.partial(self._report, directory)
        tail = WriterTail(directory, connect, self._settings, report, self._watch, self._read_bytes)
        if self._leave_living and tail.writer_is_alive():
            return
        try:
            self.receipts[directory.name] = await tail.run()
        except GaveUp as error:
            self.gave_up[directory.name] = str(error)

    def _read_bytes(self) -> int:
        return min(_READ_BYTES_MAX, max(_READ_BYTES_MIN, _READ_BYTES // max(1, len(self._running))))

    async def _connect(self, directory: Path, ledger: Ledger) -> PublishStream:
        async with self._connecting:  # one tail asks, the others use its channel
            if self._channel is None:
                try:
                    endpoints = await asyncio.to_thread(find_endpoints, self._settings.base_url)
                except RunstreamError as error:
                    raise StreamEnded(None, error.message) from error
                self._channel = open_channel(endpoints)
            channel = self._channel_of[directory] = self._channel
        return PublishStream(channel, self._settings.api_key, ledger.acked, ledger.refusal, self._opening)

    def _report(self, directory: Path, state: str, message: str) -> None:
        """Tells the training process how it goes; only changes are written."""
        if state == "unreachable" and self._channel is self._channel_of.get(directory):
            # The server may come back at another gRPC address: ask again.
            channel, self._channel = self._channel, None
            if channel is not None:
                self._closing.append(asyncio.create_task(channel.close(grace=_CHANNEL_GRACE_S)))
        said = {"state": state, "message": message}
        if said != self._state:
            self._state = said
            write_json(self._settings.run_dir / "forwarder.json", {**said, "base_url": self._settings.base_url})

    async def _drop_channel(self) -> None:
        if self._channel is not None:
            await self._channel.close(grace=0)
        await asyncio.gather(*self._closing)


def open_writers(run_dir: Path, *, besides: Container[str] = ()) -> list[Path]:
    """Writers' directories whose account is not closed, without those whose names are known already."""
    with os.scandir(run_dir) as entries:
        names = sorted(entry.name for entry in entries if entry.name not in besides)
    found = [run_dir / name for name in names if os.path.exists(run_dir / name / "writer.json")]
    return [directory for directory in found if not (directory / RECEIPT_FILE).exists()]


@contextlib.contextmanager
def only_forwarder(run_dir: Path) -> Iterator[bool]:
    """Claims a run's directory; yields whether this process is now its only forwarder."""
    fd = os.open(run_dir / "forwarder.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(fd)
