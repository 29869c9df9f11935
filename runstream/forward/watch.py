"""Looks after the spools of all writers of a forwarder: one timer for all, two stat calls a spool and look.

A spool that has just grown is looked at again after ``poll_s``, a silent one after an eighth of its silence, at most
``idle_poll_s``: what a writer logs once a second is seen 125 ms later at the latest, and a node's thousand silent
writers cost a few per cent of a core.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

_PART_OF_SILENCE = 8
# A process that has gone said so before, unless it was killed: then a second more does not matter, and a look at a
# lock costs three times as much as one at a file.
_ALIVE_CHECK_S = 1.0


@dataclass(eq=False)
class Watched:
    """A spool that is looked after.

    Attributes:
        has_more: whether there may be something to read; cheap.
        is_alive: whether its writer lives; less cheap.
        stir: called once when either changes, after ``Watch.wait_for``.
        is_ending: its writer has said its last words: look at its lock every time.
        grew_at: when something was read last, the loop's time.
    """

    has_more: Callable[[], bool]
    is_alive: Callable[[], bool]
    stir: Callable[[], None]
    is_ending: bool = False
    grew_at: float = 0.0
    seen_alive_at: float = 0.0
    is_awaited: bool = False


class Watch:
    """The one timer.

    Args:
        poll_s: shortest time between two looks, for all spools.
        idle_poll_s: longest time between two looks at a spool.
    """

    def __init__(self, poll_s: float, idle_poll_s: float) -> None:
        self._poll_s = poll_s
        self._idle_poll_s = idle_poll_s
        self._due: list[tuple[float, int, Watched]] = []
        self._number = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._looked_at = 0.0

    def wait_for(self, spool: Watched) -> None:
        """Calls ``spool.stir`` as soon as it has grown or its writer has gone; once. Safe to call again."""
        if not spool.is_awaited:
            spool.is_awaited = True
            self._put(spool, asyncio.get_running_loop().time())

    def hurry(self) -> None:
        """Looks at all spools now: the caller knows of something to see."""
        now = asyncio.get_running_loop().time()
        self._due = [(now, number, spool) for _, number, spool in self._due]
        heapq.heapify(self._due)
        if self._timer is not None:
            self._timer.cancel()
        self._look()

    def _put(self, spool: Watched, now: float) -> None:
        silence = (now - spool.grew_at) / _PART_OF_SILENCE
        due = now + min(max(silence, self._poll_s), self._idle_poll_s)
        heapq.heappush(self._due, (due, next(self._number), spool))
        # All that are due within poll_s are looked at together.
        due = max(self._due[0][0], self._looked_at + self._poll_s)
        if self._timer is None or due < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._looked_at = asyncio.get_running_loop().time()
        looked: list[Watched] = []
        while self._due and self._due[0][0] <= now:
            spool = heapq.heappop(self._due)[2]
            if _has_changed(spool, now):
                spool.is_awaited = False
                spool.stir()
            else:
                looked.append(spool)
        for spool in looked:
            self._put(spool, now)
        if self._timer is None and self._due:
            self._timer = asyncio.get_running_loop().call_at(max(self._due[0][0], now + self._poll_s), self._look)


def _has_changed(spool: Watched, now: float) -> bool:
    try:
        if spool.has_more():
            return True
        if spool.is_ending or now - spool.seen_alive_at >= _ALIVE_CHECK_S:
            spool.seen_alive_at = now
            return not spool.is_alive()
        return False
    except OSError:
        return True  # whoever reads will meet the same trouble, and can say so
