"""Gathers the parts of all streams into inserts, by size or age. Knows neither sessions nor ClickHouse.

    submit ─► waiting ─► (flush_rows | flush_age_s | urgent) ─► commit(parts), a few at once

Bounded: ``submit`` waits while too many points are in memory. The waiting stream is then not read, HTTP/2
flow control reaches the client, and the client keeps spooling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from ingest.part import Part
from ingest.settings import Settings


class Batcher:
    """One for all streams of a process.

    Args:
        commit: inserts parts and calls their ``done``; returns when all are done.
        settings: sizes and ages.
    """

    def __init__(self, commit: Callable[[Sequence[Part]], Awaitable[None]], settings: Settings) -> None:
        self._commit = commit
        self._settings = settings
        self._waiting: list[Part] = []
        self._waiting_points = 0
        self.pending_points = 0
        self._room = asyncio.Condition()
        self._flush_now = asyncio.Event()
        self._arrived = asyncio.Event()
        self._slots = asyncio.Semaphore(settings.inserts_at_once)
        self._commits: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to flush."""
        self._loop_task = asyncio.create_task(self._flush_forever(), name="batcher")

    async def submit(self, part: Part) -> None:
        """Hands a part over; waits for room."""
        async with self._room:
            # A part larger than the limit enters an empty batcher, or nothing would ever move.
            await self._room.wait_for(
                lambda: (
                    self.pending_points == 0 or self.pending_points + part.points <= self._settings.max_pending_points
                )
            )
            self.pending_points += part.points
        self._waiting.append(part)
        self._waiting_points += part.points
        self._arrived.set()
        if part.is_urgent or self._waiting_points >= self._settings.flush_rows:
            self._flush_now.set()

    async def drain(self) -> None:
        """Flushes what is there and waits until all of it is done."""
        while self._waiting or self._commits:
            self._flush_now.set()
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Ends flushing; parts that are not done stay undone and are never acknowledged."""
        tasks = [task for task in (self._loop_task, *self._commits) if task is not None]
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
            while self._waiting:
                await self._slots.acquire()  # meanwhile more may join the batch
                self._flush_now.clear()
                task = asyncio.create_task(self._commit_batch(self._take()), name="commit")
                self._commits.add(task)
                task.add_done_callback(self._commits.discard)
                if self._waiting_points < self._settings.flush_rows:
                    break
            if self._waiting:
                self._arrived.set()

    def _take(self) -> list[Part]:
        """Takes whole parts up to ``insert_rows_max``; at least one."""
        taken = 0
        points = 0
        for part in self._waiting:
            if taken and points + part.points > self._settings.insert_rows_max:
                break
            taken += 1
            points += part.points
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._waiting_points -= points
        return batch

    async def _commit_batch(self, parts: list[Part]) -> None:
        try:
            await self._commit(parts)
        finally:
            self._slots.release()
            async with self._room:
                self.pending_points -= sum(part.points for part in parts)
                self._room.notify_all()
