"""What the whole machine does: processors, memory, disks, network."""

from __future__ import annotations

import os

from runstream.forward.proc import MB, parse_cpu, parse_disks, parse_meminfo, parse_network, read_file
from runstream.forward.rates import Rates


class Machine:
    """Samples the machine.

    Args:
        proc: where procfs is.
        sys: where sysfs is.
    """

    def __init__(self, proc: str = "/proc", sys: str = "/sys") -> None:
        self._proc = proc
        self._sys = sys
        self._rates = Rates()
        self._cpu_before: tuple[int, int] | None = None
        self._is_hardware: dict[str, bool] = {}

    def sample(self, now_s: float) -> dict[str, float]:
        """Returns values by key. Rates need two samples."""
        return {**self._cpu(), **self._memory(), **self._disks(now_s), **self._network(now_s)}

    def _cpu(self) -> dict[str, float]:
        busy, total = parse_cpu(read_file(f"{self._proc}/stat"))
        values = {"system/node/load_1m": float(read_file(f"{self._proc}/loadavg").split()[0])}
        if self._cpu_before is not None and total > self._cpu_before[1]:
            used = (busy - self._cpu_before[0]) / (total - self._cpu_before[1])
            values["system/node/cpu"] = 100 * min(1.0, max(0.0, used))
        self._cpu_before = busy, total
        return values

    def _memory(self) -> dict[str, float]:
        sizes = parse_meminfo(read_file(f"{self._proc}/meminfo"))
        total, available = sizes["MemTotal"], sizes["MemAvailable"]
        values = {
            "system/node/memory_percent": 100 * (total - available) / total,
            "system/node/memory_available_mb": available / MB,
        }
        if sizes.get("SwapTotal"):
            values["system/node/swap_used_mb"] = (sizes["SwapTotal"] - sizes["SwapFree"]) / MB
        return values

    def _disks(self, now_s: float) -> dict[str, float]:
        read, written = parse_disks(read_file(f"{self._proc}/diskstats"), self._is_disk)
        return self._rated({"node/disk/read_mb_s": read, "node/disk/write_mb_s": written}, now_s)

    def _network(self, now_s: float) -> dict[str, float]:
        counts = parse_network(read_file(f"{self._proc}/net/dev"))
        # Bridges, bonds and virtual ends repeat what a real interface carries. A container has virtual ones alone.
        real = [name for name in counts if self._has_hardware(f"class/net/{name}/device")]
        values: dict[str, float] = {}
        for name in real or counts:
            if name == "lo":
                continue
            for way, count in zip(("received", "sent"), counts[name], strict=True):
                if (rate := self._rates.rate(f"{name} {way}", count, now_s)) is not None:
                    key = f"system/network/{way}_mb_s"
                    values[key] = values.get(key, 0.0) + rate / MB
        return values

    def _rated(self, counts: dict[str, int], now_s: float) -> dict[str, float]:
        rates = {f"system/{name}": self._rates.rate(name, count, now_s) for name, count in counts.items()}
        return {name: rate / MB for name, rate in rates.items() if rate is not None}

    def _is_disk(self, name: str) -> bool:
        """Whether a block device is one by itself: no partition, no volume on top of others, no loop."""
        return self._has_hardware(f"block/{name}/device")

    def _has_hardware(self, path: str) -> bool:
        known = self._is_hardware.get(path)
        if known is None:
            known = self._is_hardware[path] = os.path.exists(f"{self._sys}/{path}")
        return known
