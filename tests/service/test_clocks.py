"""Clocks that jump: the store shows what was said last, not what was said at the highest wall clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.asking import ask
from support.processes import wait_until

from runstream.endpoints import Endpoints
from runstream.errors import NotFound
from runstream.forward.settings import ForwardSettings
from runstream.forward.stream import PublishStream, open_channel
from runstream.forward.tail import Connect, WriterTail
from runstream.forward.watch import Watch
from runstream.service.host import Addresses
from runstream.spool.ledger import Ledger
from runstream.spool.reader import READ_BYTES
from runstream.spool.writer import SpoolWriter

HOUR_US = 3_600_000_000
NOON_US = 1_700_000_000_000_000


def spool(directory: Path, run: str, now_us: Callable[[], int]) -> SpoolWriter:
    who = {"entity": "", "project": "clocks", "run": run, "attempt": 1, "rank": 0, "world_size": 1}
    who |= {"writer": "w", "host": "h", "process_id": 1, "started_us": NOON_US}
    return SpoolWriter(directory, who, now_us=now_us)


def written(server: Addresses, run: str) -> dict[str, Any]:
    """What the store says of the run's only writer; nothing yet is an empty dict."""
    try:
        (writer,) = ask(server.http_url, "GetRun", name=f"local/clocks/{run}")["writers"]
    except (NotFound, ValueError):
        return {}
    return dict(writer)


def tail_of(directory: Path, connect: Connect, settings: ForwardSettings, now_us: Callable[[], int]) -> WriterTail:
    watch = Watch(settings.poll_s, settings.idle_poll_s)
    return WriterTail(directory, connect, settings, lambda *said: None, watch, lambda: READ_BYTES, now_us=now_us)


async def forward(
    server: Addresses, directory: Path, now_us: Callable[[], int], *, until: Callable[[], object] | None = None
) -> None:
    """A forwarder's life: to the receipt, or until something is true; then it is gone without a word."""
    async with open_channel(Endpoints(server.grpc, is_secure=False)) as channel:

        async def connect(ledger: Ledger) -> PublishStream:
            return PublishStream(channel, "", ledger.acked, ledger.refusal, asyncio.Semaphore())

        settings = ForwardSettings(run_dir=directory.parent, base_url=server.http_url, heartbeat_s=0.02)
        tail = tail_of(directory, connect, settings, now_us)
        task = asyncio.create_task(tail.run())
        if until is None:
            await task
            return
        await asyncio.to_thread(wait_until, until)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("ends", ["finished", "crashed"])
def test_a_run_ends_though_clocks_go_back_between_its_forwarders(server: Addresses, tmp_path: Path, ends: str) -> None:
    directory = tmp_path / ends / "r0"
    jumps = itertools.cycle([0, 2 * HOUR_US, -HOUR_US])
    writer = spool(directory, ends, lambda: NOON_US + next(jumps))
    writer.append_record({"run": {"displayName": ends}})
    writer.append_row({"loss": 1.0}, 0, NOON_US // 1000)

    # The first forwarder is five hours ahead and says so in every heartbeat.
    def has_account() -> bool:
        return written(server, ends).get("stored") == "1"

    asyncio.run(forward(server, directory, lambda: NOON_US + 5 * HOUR_US, until=has_account))
    if ends == "finished":
        writer.append_record({"writer": {"state": "RUN_STATE_FINISHED"}})
    writer.close()
    # The next one is an hour behind the trainer's start.
    asyncio.run(forward(server, directory, lambda: NOON_US - HOUR_US))
    found = written(server, ends)
    assert found["state"] == f"RUN_STATE_{ends.upper()}"
    assert (found["sent"], found["stored"], found["complete"]) == ("1", "1", True)


def test_a_forwarder_that_died_before_the_ack_of_its_receipt_is_outdone_by_the_next(tmp_path: Path) -> None:
    directory = tmp_path / "run" / "r0"
    spool(directory, "x", lambda: NOON_US).close()
    settings = ForwardSettings(run_dir=directory.parent, base_url="")

    async def never(ledger: Ledger) -> PublishStream:
        raise AssertionError

    def tail(now_us: int) -> WriterTail:
        return tail_of(directory, never, settings, lambda: now_us)

    first = tail(NOON_US + HOUR_US)
    said = first._next_time_us()
    assert tail(NOON_US)._next_time_us() == said + 1
