"""The container's or job's own limits: memory that ends in a kill, CPU that is held back. Version 2 and 1."""

from __future__ import annotations

import os

from runstream.forward.proc import MB, read_file
from runstream.forward.rates import Rates

_NO_LIMIT = 1 << 60  # version 1 writes a number near 2**63 for none


class Cgroup:
    """Samples the control group of a process. Silent where it has no limits.

    Args:
        pid: the process.
        proc: where procfs is.
        root: where the groups' file system is.
    """

    def __init__(self, pid: int, proc: str = "/proc", root: str = "/sys/fs/cgroup") -> None:
        self._rates = Rates()
        try:
            groups = parse_groups(read_file(f"{proc}/{pid}/cgroup"))
        except OSError:
            groups = {}
        # A container sees its own group at the root, whatever the path says.
        self._v2 = _first_with(root, groups.get("", "/"), "memory.max")
        self._v1 = _first_with(f"{root}/memory", groups.get("memory", "/"), "memory.limit_in_bytes")

    def sample(self, now_s: float) -> dict[str, float]:
        """Returns values by key."""
        if self._v2:
            used, limit = _number(f"{self._v2}/memory.current"), _number(f"{self._v2}/memory.max")
            events = f"{self._v2}/memory.events"
        elif self._v1:
            used = _number(f"{self._v1}/memory.usage_in_bytes")
            limit = _number(f"{self._v1}/memory.limit_in_bytes")
            events = f"{self._v1}/memory.oom_control"
        else:
            return {}
        values: dict[str, float] = {}
        if used is not None and limit is not None and 0 < limit < _NO_LIMIT:
            values["system/cgroup/memory_mb"] = used / MB
            values["system/cgroup/memory_percent"] = 100 * used / limit
        if (kills := _named(events, "oom_kill")) is not None:
            values["system/cgroup/oom_kills"] = float(kills)
        throttled_us = _named(f"{self._v2}/cpu.stat", "throttled_usec") if self._v2 else None
        if throttled_us is not None:
            rate = self._rates.rate("throttled", throttled_us, now_s)
            if rate is not None:
                values["system/cgroup/cpu_throttled"] = rate / 1e4  # µs a second to percent of the time
        return values


def parse_groups(text: str) -> dict[str, str]:
    """Reads ``/proc/PID/cgroup``: path by controller; version 2's has an empty name."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                groups[controller] = parts[2]
    return groups


def _first_with(root: str, path: str, file: str) -> str:
    for folder in (root + path.rstrip("/"), root):
        if os.path.exists(f"{folder}/{file}"):
            return folder
    return ""


def _number(path: str) -> int | None:
    try:
        return int(read_file(path))
    except (OSError, ValueError):  # "max" is no number
        return None


def _named(path: str, name: str) -> int | None:
    try:
        for line in read_file(path).splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == name:
                return int(words[1])
    except (OSError, ValueError):
        pass
    return None
