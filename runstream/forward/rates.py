"""Counters to rates. Pure."""

from __future__ import annotations


class Rates:
    """Remembers counters and gives their rates per second."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}

    def rate(self, name: str, count: float, now_s: float, *, wraps_at: float | None = None) -> float | None:
        """Returns how fast a counter has grown since it was last seen; None where that cannot be told.

        A counter that has gone back has begun again (a driver was loaded anew, an interface re-made): nothing is
        said until it has been seen twice. One that is known to wrap has wrapped if it was near its end and is
        now near its beginning.
        """
        before = self._last.get(name)
        self._last[name] = (count, now_s)
        if before is None or now_s <= before[1]:
            return None
        grown = count - before[0]
        if grown < 0 and wraps_at is not None and before[0] > 0.75 * wraps_at and count < 0.25 * wraps_at:
            grown += wraps_at
        return grown / (now_s - before[1]) if grown >= 0 else None

    def forget(self, prefix: str) -> None:
        """Begins again with the counters whose names begin like this."""
        self._last = {name: seen for name, seen in self._last.items() if not name.startswith(prefix)}
