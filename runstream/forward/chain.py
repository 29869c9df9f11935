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
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc.aio

from runstream.endpoints import find_endpoints
from runstream.errors import RunstreamError
from runstream.forward.settings import ForwardSettings
from runstream.forward.stream import PublishStream, StreamEnded, open_channel
from runstream.forward.tail import GaveUp, WriterTail
from runstream.spool.frame import NewerVersion
from runstream.spool.ledger import Ledger, read_receipt, write_json

_LOOK_FOR_WRITERS_S = 0.2


class Forwarder:
    """Forwards every writer of one run's directory.

    Args:
        settings: how.
        leave_living: leave writers alone whose process is alive; their own forwarder is for them.
    """

    def __init__(self, settings: ForwardSettings, *, leave_living: bool = False) -> None:
        self._settings = settings
        self._leave_living = leave_living
        self._channel: grpc.aio.Channel | None = None
        self._closing: list[asyncio.Task[None]] = []
        self._state: dict[str, str] = {}
        self.receipts: dict[str, dict[str, Any]] = {}
        self.gave_up: dict[str, str] = {}

    async def run(self) -> None:
        """Forwards until every writer's account is closed or given up."""
        tasks: dict[Path, asyncio.Task[None]] = {}
        try:
            while True:
                for directory in open_writers(self._settings.run_dir):
                    if directory not in tasks:
                        tasks[directory] = asyncio.create_task(self._forward(directory))
                running = [task for task in tasks.values() if not task.done()]
                if not running:
                    break
                await asyncio.wait(running, timeout=_LOOK_FOR_WRITERS_S, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks.values():
                task.result()  # a defect in a tail must not end in silence
        finally:
            await self._drop_channel()

    async def _forward(self, directory: Path) -> None:
        try:
            tail = WriterTail(directory, self._connect, self._settings, self._report)
            if self._leave_living and tail.writer_is_alive():
                return
            self.receipts[directory.name] = await tail.run()
        except (GaveUp, NewerVersion, OSError) as error:
            # What is wrong with one writer's files is said by its name and costs the others nothing.
            self.gave_up[directory.name] = str(error)

    async def _connect(self, ledger: Ledger) -> PublishStream:
        if self._channel is None:
            try:
                endpoints = await asyncio.to_thread(find_endpoints, self._settings.base_url)
            except RunstreamError as error:
                raise StreamEnded(None, error.message) from error
            # Another tail may have been faster while we asked.
            self._channel = self._channel or open_channel(endpoints)
        return PublishStream(self._channel, self._settings.api_key, ledger.acked, ledger.refusal)

    def _report(self, state: str, message: str) -> None:
        """Tells the training process how it goes; only changes are written."""
        if state == "unreachable":
            # The server may come back at another gRPC address: ask again.
            channel, self._channel = self._channel, None
            if channel is not None:
                self._closing.append(asyncio.create_task(channel.close(grace=0)))
        said = {"state": state, "message": message}
        if said != self._state:
            self._state = said
            with contextlib.suppress(OSError):  # a full disk: what it cannot hold, the log still says
                write_json(self._settings.run_dir / "forwarder.json", {**said, "base_url": self._settings.base_url})

    async def _drop_channel(self) -> None:
        if self._channel is not None:
            await self._channel.close(grace=0)
        await asyncio.gather(*self._closing)


def open_writers(run_dir: Path) -> list[Path]:
    """Writers' directories whose account is not closed."""
    return sorted(entry.parent for entry in run_dir.glob("*/writer.json") if read_receipt(entry.parent) is None)


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
