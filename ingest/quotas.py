"""What one API key may use of an ingest process: streams, names of keys, points a second.

One client that goes wrong then costs nobody else anything (I10). Counted in this process alone: replicas
share nothing, so a quota is for each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable

from ingest.settings import Settings
from runstream.errors import QuotaExceeded

# A name's string, its place in the table and its count, beside its characters (CPython 3.11).
_NAME_OVERHEAD_BYTES = 150


class Usage:
    """What an API key uses now, over all of its streams."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names: dict[str, str] = {}
        self._holders: Counter[str] = Counter()
        self._name_bytes = 0
        self._paid_until_s = 0.0
        self.streams = 0

    def hold(self, name: str) -> str:
        """Keeps a key's name once for all streams and returns the kept one.

        Raises:
            QuotaExceeded: the names of this API key's streams take too much memory.
        """
        kept = self._names.get(name)
        if kept is None:
            size = len(name) + _NAME_OVERHEAD_BYTES
            if self._name_bytes + size > self._settings.max_name_bytes_per_api_key:
                raise QuotaExceeded(
                    f"the streams of this API key have {len(self._names)} different metric keys open, which take "
                    f"the {self._settings.max_name_bytes_per_api_key} bytes that it may use",
                    retry_after_s=10.0,
                    next_step="log fewer different keys, or end runs that are done",
                )
            self._name_bytes += size
            kept = self._names[name] = name
        self._holders[name] += 1
        return kept

    def release(self, names: Iterable[str]) -> None:
        """Gives back names that a stream held."""
        for name in names:
            self._holders[name] -= 1
            if not self._holders[name]:
                del self._holders[name], self._names[name]
                self._name_bytes -= len(name) + _NAME_OVERHEAD_BYTES

    def pace_s(self, points: int, now_s: float) -> float:
        """Pays for points and returns how long the stream must wait before its next message.

        The generic cell rate algorithm (ITU-T I.371) with a burst of one second.
        """
        rate = self._settings.max_points_per_s_per_api_key
        if not rate:
            return 0.0
        self._paid_until_s = max(self._paid_until_s, now_s) + points / rate
        return max(0.0, self._paid_until_s - now_s - 1.0)


class Quotas:
    """The usage of every API key that has streams open."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._usage: dict[Hashable, Usage] = {}

    def open_stream(self, api_key: Hashable) -> Usage:
        """Counts a stream in; ``close_stream`` must follow.

        Raises:
            QuotaExceeded: the API key has as many streams open as it may.
        """
        usage = self._usage.setdefault(api_key, Usage(self._settings))
        if usage.streams >= self._settings.max_streams_per_api_key:
            raise QuotaExceeded(
                f"this API key has {usage.streams} streams open, the limit is "
                f"{self._settings.max_streams_per_api_key} a server",
                retry_after_s=10.0,
                next_step="wait for others to end, or use more than one server",
            )
        usage.streams += 1
        return usage

    def close_stream(self, api_key: Hashable) -> None:
        """Counts a stream out."""
        usage = self._usage[api_key]
        usage.streams -= 1
        if not usage.streams:
            del self._usage[api_key]
