"""InfiniBand and RoCE ports, from the counters in sysfs. Silent where there are none."""

from __future__ import annotations

import os

from runstream.forward.proc import MB, read_file
from runstream.forward.rates import Rates

_LANE_BYTES = 4  # the port's data counters count words of four bytes (InfiniBand 16.1.3.5)
_DATA = {"rx_mb_s": "port_rcv_data", "tx_mb_s": "port_xmit_data"}
_TROUBLE = {"symbol_errors": "symbol_error", "link_downed": "link_downed", "rx_errors": "port_rcv_errors"}


class InfiniBand:
    """Samples every active port.

    Args:
        sys: where sysfs is.
    """

    def __init__(self, sys: str = "/sys") -> None:
        self._devices = f"{sys}/class/infiniband"
        self._rates = Rates()

    def sample(self, now_s: float) -> dict[str, float]:
        """Returns values by key: ``system/infiniband/mlx5_0/rx_mb_s``; a second port is ``mlx5_0.2``."""
        values: dict[str, float] = {}
        for device in _listed(self._devices):
            for port in _listed(f"{self._devices}/{device}/ports"):
                name = device if port == "1" else f"{device}.{port}"
                values |= self._port(f"system/infiniband/{name}", f"{self._devices}/{device}/ports/{port}", now_s)
        return values

    def _port(self, key: str, path: str, now_s: float) -> dict[str, float]:
        try:
            if "ACTIVE" not in read_file(f"{path}/state"):
                return {}
        except OSError:
            return {}
        values: dict[str, float] = {}
        for name, file in _DATA.items():
            if (count := _counter(f"{path}/counters/{file}")) is not None:
                rate = self._rates.rate(f"{key}/{name}", count, now_s)
                if rate is not None:
                    values[f"{key}/{name}"] = rate * _LANE_BYTES / MB
        for name, file in _TROUBLE.items():
            if (count := _counter(f"{path}/counters/{file}")) is not None:
                values[f"{key}/{name}"] = float(count)
        return values


def _listed(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _counter(path: str) -> int | None:
    try:
        return int(read_file(path))
    except (OSError, ValueError):
        return None
