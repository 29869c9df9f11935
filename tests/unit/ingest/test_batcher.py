"""When parts become an insert: by size, by age, at once; and never more of them than fit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ingest.batcher import Batcher
from ingest.part import Part
from ingest.settings import Settings


def part(points: int, *, is_urgent: bool = False, run: int = 1) -> Part:
    return Part([], [], points, is_urgent, ("", run), time.monotonic(), lambda outcome: None)


class Recorder:
    """Notes what is committed; holds commits back while ``gate`` is shut."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.running = 0
        self.most_running = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def commit(self, parts: Sequence[Part]) -> None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.batches.append([each.points for each in parts])
        await self.gate.wait()
        self.running -= 1


@asynccontextmanager
async def running(recorder: Recorder, **settings: float) -> AsyncIterator[Batcher]:
    batcher = Batcher(recorder.commit, Settings(**settings))  # type: ignore[arg-type]
    batcher.start()
    yield batcher
    recorder.gate.set()
    await batcher.drain()
    await batcher.stop()


async def until(ask: object) -> None:
    async with asyncio.timeout(10):
        while not ask():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_size_flushes() -> None:
    recorder = Recorder()
    async with running(recorder, flush_rows=100, flush_age_s=60) as batcher:
        batcher.submit(part(60))
        await asyncio.sleep(0.05)
        assert recorder.batches == []
        batcher.submit(part(60))
        await until(lambda: recorder.batches)
    assert recorder.batches == [[60, 60]]


async def test_age_flushes() -> None:
    recorder = Recorder()
    async with running(recorder, flush_age_s=0.02) as batcher:
        batcher.submit(part(1))
        await until(lambda: recorder.batches)
    assert recorder.batches == [[1]]


async def test_urgency_flushes() -> None:
    recorder = Recorder()
    async with running(recorder, flush_age_s=60) as batcher:
        batcher.submit(part(1))
        batcher.submit(part(0, is_urgent=True))
        await until(lambda: recorder.batches)
    assert recorder.batches == [[1, 0]]


async def test_a_part_larger_than_an_insert_still_moves() -> None:
    recorder = Recorder()
    async with running(recorder, insert_rows_max=10, flush_rows=5) as batcher:
        batcher.submit(part(50))
        await until(lambda: recorder.batches)
    assert recorder.batches == [[50]]


async def test_I10_a_small_run_does_not_wait_behind_a_large_one() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    async with running(recorder, flush_rows=100, insert_rows_max=300, inserts_at_once=1) as batcher:
        batcher.submit(part(100))
        await until(lambda: recorder.batches)
        for _ in range(20):
            batcher.submit(part(100, run=1))
        batcher.submit(part(1, run=2))
        recorder.gate.set()
        await until(lambda: len(recorder.batches) > 1)
        assert recorder.batches[1] == [100, 1, 100]
    assert sum(map(sum, recorder.batches)) == 2101


async def test_what_is_pending_and_how_old_it_is_can_be_asked() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    async with running(recorder, flush_rows=10) as batcher:
        assert (batcher.pending_points, batcher.oldest_age_s()) == (0, 0.0)
        batcher.submit(part(10))
        await until(lambda: recorder.batches)
        batcher.submit(part(3))
        assert batcher.pending_points == 13
        assert batcher.oldest_age_s() > 0


async def test_no_more_inserts_at_once_than_allowed_and_nothing_is_left() -> None:
    recorder = Recorder()
    async with running(recorder, flush_rows=1, inserts_at_once=2) as batcher:
        for _ in range(50):
            batcher.submit(part(1))
    assert recorder.most_running <= 2
    assert sum(map(sum, recorder.batches)) == 50


async def test_I10_many_that_ask_to_be_committed_at_once_share_inserts() -> None:
    recorder = Recorder()
    async with running(recorder, flush_age_s=60, flush_apart_s=0.05) as batcher:
        for _ in range(50):
            batcher.submit(part(1, is_urgent=True))
            await asyncio.sleep(0.002)
    assert sum(map(sum, recorder.batches)) == 50
    assert len(recorder.batches) < 25
