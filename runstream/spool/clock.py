"""Times that the store orders a writer's words by: they only rise, whatever the wall clock does. Pure.

The newest of two values for one attribute wins, so a clock that is set back would leave a run with its old state,
config or account. The training process and its forwarder speak of one writer in turn, so the forwarder goes on from
the times it finds in the spool, and keeps its own on disk before it says them.
"""

from __future__ import annotations

import time


def later_us(last_us: int, now_us: int) -> int:
    """The time to say now: the wall clock's, or just after the last one said."""
    return max(now_us, last_us + 1)


def wall_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000
