"""A forwarder's work in runs' directories: one tail a writer, one channel for all.

    spool ─► tail ─► encode ─► stream ─► ingest
              ▲                   │
              └───── acks ────────┘
    processes, node, GPUs ─► system ─► spools of its own, likewise

Owns finding writers, the channel, and the word to the training process (``forwarder.json``). One forwarder
works in a directory: it holds ``forwarder.lock``.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import os
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any

import grpc.aio

from runstream.endpoints import find_endpoints
from runstream.errors import RunstreamError
from runstream.forward.settings import ForwardSettings
from runstream.forward.stream import PublishStream, StreamEnded, open_channel
from runstream.forward.system import SystemMetrics
from runstream.forward.tail import GaveUp, WriterTail
from runstream.forward.watch import Watch
from runstream.spool.frame import NewerVersion
from runstream.spool.ledger import RECEIPT_FILE, Ledger, read_receipt, write_json
from runstream.spool.places import FORWARDER_LOCK

_LOOK_FOR_WRITERS_S = 0.2
_OPENING_AT_ONCE = 64
# What all tails together read and hold at once; each reads its share, so thousands with a backlog fit too.
_READ_BYTES = 64 << 20
_READ_BYTES_MIN, _READ_BYTES_MAX = 16 << 10, 4 << 20
# A channel that is left for a new one may still carry last acks of other writers.
_CHANNEL_GRACE_S = 10.0


class Listener:
    """Told how a forwarder fares; one that does nothing. Directories are writers'."""

    def closed(self, directory: Path, receipt: dict[str, Any], /) -> None:
        """An account is closed."""

    def gave_up(self, directory: Path, why: str, /) -> None:
        """A writer is left as it is."""

    def state(self, directory: Path, state: str, message: str, /) -> None:
        """The way to the server: connected, unreachable, waiting (for S3 to take files) or refused, for one writer."""


class Forwarder:
    """Forwards every writer of one run's directory, or of several at the same time.

    Args:
        settings: how.
        leave_living: leave writers alone whose process is alive; their own forwarder is for them.
        listener: told at once what ``receipts`` and ``gave_up`` hold in the end.
    """

    def __init__(
        self, settings: ForwardSettings, *, leave_living: bool = False, listener: Listener | None = None
    ) -> None:
        self._settings = settings
        self._leave_living = leave_living
        self._listener = listener or Listener()
        self._watch = Watch(settings.poll_s, settings.idle_poll_s)
        self._channel: grpc.aio.Channel | None = None
        self._channel_of: dict[Path, grpc.aio.Channel] = {}
        self._connecting = asyncio.Lock()
        self._one_connected = asyncio.Event()
        self._opening = asyncio.Semaphore(_OPENING_AT_ONCE)
        self._closing: set[asyncio.Task[None]] = set()
        self._state: dict[Path, dict[str, str]] = {}
        self._tails = 0
        self.receipts: dict[str, dict[str, Any]] = {}
        self.gave_up: dict[str, str] = {}

    async def run(self) -> None:
        """Forwards the run's directory of the settings, and is done."""
        try:
            await self.forward(self._settings.run_dir)
        finally:
            await self.close()

    async def forward(self, run_dir: Path, *, besides: Container[str] = ()) -> None:
        """Forwards until every writer's account in a run's directory is closed or given up.

        Args:
            run_dir: the run's directory, whose only forwarder this is.
            besides: names of writers' directories to leave alone.
        """
        tasks: dict[str, asyncio.Task[None]] = {}
        running: set[asyncio.Task[None]] = set()
        stir = asyncio.Event()
        longest_s = self._settings.system_metrics_interval_s
        system = SystemMetrics(run_dir, longest_s) if longest_s else None

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            if not running:
                stir.set()

        try:
            while True:
                for directory in open_writers(run_dir, besides=tasks):
                    if directory.name not in besides:
                        task = tasks[directory.name] = asyncio.create_task(self._forward(directory, stir.set))
                        running.add(task)
                        task.add_done_callback(ended)
                # Before the account of the last process is closed, so that both are at the same time.
                if system is not None and system.look(tasks):
                    self._watch.hurry()
                if not running:
                    break
                stir.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stir.wait(), _LOOK_FOR_WRITERS_S)
            for task in tasks.values():
                task.result()  # a defect in a tail must not end in silence
        finally:
            if system is not None:
                system.stop()
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            self._state.pop(run_dir, None)

    async def close(self) -> None:
        """Lets go of the server."""
        if self._channel is not None:
            await self._channel.close(grace=0)
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _forward(self, directory: Path, on_gone: Callable[[], None]) -> None:
        connect = functools.partial(self._connect, directory)
        report = functools.partial(self._report, directory)
        self._tails += 1
        try:
            tail = WriterTail(directory, connect, self._settings, report, self._watch, self._read_bytes)
            tail.on_gone = on_gone
            tail.another_connected = self._one_connected
            if self._leave_living and tail.writer_is_alive():
                return
            receipt = self.receipts[directory.name] = await tail.run()
            self._listener.closed(directory, receipt)
        except (GaveUp, NewerVersion, OSError) as error:
            # What is wrong with one writer's files is said by its name and costs the others nothing.
            self.gave_up[directory.name] = str(error)
            self._listener.gave_up(directory, str(error))
        finally:
            self._tails -= 1
            self._channel_of.pop(directory, None)

    def _read_bytes(self) -> int:
        return min(_READ_BYTES_MAX, max(_READ_BYTES_MIN, _READ_BYTES // max(1, self._tails)))

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
        if state == "connected":
            self._one_connected.set()  # who waits for the server need not wait on
            self._one_connected.clear()
        self._listener.state(directory, state, message)
        if state == "unreachable" and self._channel is self._channel_of.get(directory):
            # The server may come back at another gRPC address: ask again. Others may go on where they are.
            channel, self._channel = self._channel, None
            if channel is not None:
                closing = asyncio.create_task(channel.close(grace=_CHANNEL_GRACE_S))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
        said = {"state": state, "message": message}
        if said != self._state.get(directory.parent):
            self._state[directory.parent] = said
            with contextlib.suppress(OSError):  # a full disk: what it cannot hold, the log still says
                write_json(directory.parent / "forwarder.json", {**said, "base_url": self._settings.base_url})


def open_writers(run_dir: Path, *, besides: Container[str] = ()) -> list[Path]:
    """Writers' directories whose account is not closed, without those whose names are known already."""
    with os.scandir(run_dir) as entries:
        names = sorted(entry.name for entry in entries if entry.name not in besides)
    found = [run_dir / name for name in names if os.path.exists(run_dir / name / "writer.json")]
    return [each for each in found if not os.path.exists(each / RECEIPT_FILE) or read_receipt(each) is None]


@contextlib.contextmanager
def only_forwarder(run_dir: Path) -> Iterator[bool]:
    """Claims a run's directory; yields whether this process is now its only forwarder."""
    fd = os.open(run_dir / FORWARDER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(fd)
