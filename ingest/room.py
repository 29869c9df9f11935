"""Bounds what ingest holds in memory: a message is read into it only when there is room.

    message's bytes ─► enter (waits, in turn) ─► decoded, batched, inserted ─► leave

A stream that waits is not read further, HTTP/2 flow control reaches its client, and the client keeps
spooling. What waits is bounded too, for each API key by itself: one more message ends its own stream with a
retry delay, which costs nothing but the way.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass

from ingest.fair import FairQueue, Name
from runstream.errors import QuotaExceeded


@dataclass
class _Waiting:
    bytes: int
    key: Hashable
    turn: asyncio.Future[None]


class Room:
    """Bytes of messages that are being worked on.

    Args:
        max_bytes: most bytes inside. A larger message enters an empty room, or it would never move.
        max_waiting_bytes: most bytes that wait for one API key.
    """

    def __init__(self, max_bytes: int, max_waiting_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._max_waiting_bytes = max_waiting_bytes
        self._queue: FairQueue[_Waiting] = FairQueue()
        self._waiting_bytes: Counter[Hashable] = Counter()
        self.used_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes of messages that wait to enter."""
        return self._waiting_bytes.total()

    async def enter(self, name: Name, size: int) -> None:
        """Waits until there is room for ``size`` bytes; names take turns, the first part of one is its API key.

        Raises:
            QuotaExceeded: too much waits under this API key already.
        """
        if not self._queue and self._fits(size):
            self.used_bytes += size
            return
        key = name[0]
        waiting_bytes = self._waiting_bytes[key]
        if waiting_bytes and waiting_bytes + size > self._max_waiting_bytes:
            raise QuotaExceeded(
                f"{waiting_bytes} bytes of this API key wait already, the limit is {self._max_waiting_bytes}",
                retry_after_s=1.0,
                next_step="send again; the spool keeps it",
            )
        waiting = _Waiting(size, key, asyncio.get_running_loop().create_future())
        self._waiting_bytes[key] += size
        self._queue.put(name, waiting)
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.done() and not waiting.turn.cancelled():
                self.leave(size)  # its turn came in the same moment
            raise

    def leave(self, size: int) -> None:
        """Gives ``size`` bytes back and lets in whoever is next."""
        self.used_bytes -= size
        while self._queue and (self._queue.peek().turn.done() or self._fits(self._queue.peek().bytes)):
            waiting = self._queue.take()
            self._waiting_bytes[waiting.key] -= waiting.bytes
            if not self._waiting_bytes[waiting.key]:
                del self._waiting_bytes[waiting.key]
            if not waiting.turn.done():  # or its stream ended while it waited
                self.used_bytes += waiting.bytes
                waiting.turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return self.used_bytes == 0 or self.used_bytes + size <= self._max_bytes
