"""How much of its limit a writer's spool takes up. The writer adds segments, the forwarder deletes the oldest."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

_LOOK_EVERY_S = 1.0


class Room:
    """The bytes that are left for one writer's directory.

    Args:
        max_bytes: the limit.
        now: a clock that never goes back.

    Attributes:
        reserve: bytes that rows and documents leave free, so that what was dropped, and how the run ended, can still be
            written down: 70 minutes of a report a second under a limit of 16 MiB or more.
    """

    def __init__(self, max_bytes: int, now: Callable[[], float] = time.monotonic) -> None:
        self.max_bytes = max_bytes
        self.reserve = min(1 << 20, max_bytes // 16)
        self._now = now
        self._looked_at = now()
        self._closed: deque[tuple[Path, int]] = deque()
        self._closed_bytes = 0

    def add(self, segment: Path, size: int) -> None:
        """Notes a segment that grows no more."""
        self._closed.append((segment, size))
        self._closed_bytes += size

    def fits(self, open_bytes: int, more_bytes: int, keep_free: int) -> bool:
        """Whether so many more bytes, beside the open segment's, leave so many free. Looks at the disk only if not."""
        wanted = open_bytes + more_bytes + keep_free
        if self._closed_bytes + wanted <= self.max_bytes:
            return True
        while self._closed and not os.path.exists(self._closed[0][0]):
            self._closed_bytes -= self._closed.popleft()[1]
        return self._closed_bytes + wanted <= self.max_bytes

    def is_time_to_look(self) -> bool:
        """True at most once a second: a process that logs a million rows a second must not ask the disk for each."""
        if self._now() - self._looked_at < _LOOK_EVERY_S:
            return False
        self._looked_at = self._now()
        return True
