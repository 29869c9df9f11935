"""Gathers the parts of all streams into inserts, by size or age. Knows neither sessions nor ClickHouse.

    submit ─► waiting ─► (flush_rows | flush_age_s | urgent) ─► commit(parts), a few at once

An insert takes parts in turns, so that a small run does not wait behind all that a large one has sent. How
much may be in here is ``room``'s to say, before a message is even read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from ingest.fair import FairQueue
from ingest.part import Part
from ingest.settings import Settings

# Rows of other tables cost about as much as so many points; a part has one or two.
_POINTS_A_PART = 50


class Batcher:
    """One for all streams of a process.

    Args:
        commit: inserts parts and calls their ``done``; returns when all are done.
        settings: sizes and ages.
    """

    def __init__(self, commit: Callable[[Sequence[Part]], Awaitable[None]], settings: Settings) -> None:
        self._commit = commit
        self._settings = settings
        self._waiting: FairQueue[Part] = FairQueue()
        self._waiting_points = 0
        self._committing: dict[asyncio.Task[None], Sequence[Part]] = {}
        self._flush_now = asyncio.Event()
        self._arrived = asyncio.Event()
        self._slots = asyncio.Semaphore(settings.inserts_at_once)
        self._loop_task: asyncio.Task[None] | None = None
        self._flushed_at_s = 0.0

    @property
    def pending_points(self) -> int:
        """Points that wait or are being inserted."""
        return self._waiting_points + sum(part.points for parts in self._committing.values() for part in parts)

    def oldest_age_s(self) -> float:
        """Age of the oldest part that is not committed; what a scaler should look at."""
        received = [part.received_s for parts in self._committing.values() for part in parts]
        received += [part.received_s for part in self._waiting]
        return time.monotonic() - min(received) if received else 0.0

    def start(self) -> None:
        """Begins to flush."""
        self._loop_task = asyncio.create_task(self._flush_forever(), name="batcher")

    def submit(self, part: Part) -> None:
        """Hands a part over."""
        self._waiting.put(part.name, part)
        self._waiting_points += part.points
        self._arrived.set()
        if part.is_urgent or self._waiting_points >= self._settings.flush_rows:
            self._flush_now.set()

    async def drain(self) -> None:
        """Flushes what is there and waits until all of it is done."""
        while self._waiting or self._committing:
            self._flush_now.set()
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Ends flushing; parts that are not done stay undone and are never acknowledged."""
        tasks = [task for task in (self._loop_task, *self._committing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _flush_forever(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            try:
                async with asyncio.timeout(self._settings.flush_age_s):
                    await self._flush_now.wait()
            except TimeoutError:
                pass
            if self._waiting_points < self._settings.flush_rows:
                await asyncio.sleep(max(0.0, self._flushed_at_s + self._settings.flush_apart_s - time.monotonic()))
            while self._waiting:
                await self._slots.acquire()  # meanwhile more may join the batch
                self._flush_now.clear()
                self._flushed_at_s = time.monotonic()
                parts = self._take()
                task = asyncio.create_task(self._commit_batch(parts), name="commit")
                self._committing[task] = parts
                task.add_done_callback(lambda done: self._committing.pop(done, None))
                if self._waiting_points < self._settings.flush_rows:
                    break
            if self._waiting:
                self._arrived.set()

    def _take(self) -> list[Part]:
        """Takes whole parts up to ``insert_rows_max``; at least one."""
        parts: list[Part] = []
        points = 0
        while self._waiting:
            points += max(self._waiting.peek().points, _POINTS_A_PART)
            if parts and points > self._settings.insert_rows_max:
                break
            parts.append(self._waiting.take())
        self._waiting_points -= sum(part.points for part in parts)
        return parts

    async def _commit_batch(self, parts: list[Part]) -> None:
        try:
            await self._commit(parts)
        finally:
            self._slots.release()
