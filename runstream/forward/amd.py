"""AMD GPUs through ``amdsmi``, which comes with ROCm."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any

from runstream.forward.gpus import Event, Gpu, Reading


def open_amd(module_name: str = "amdsmi") -> AmdLibrary | None:
    """Opens the library; None if it is not there or finds no driver."""
    try:
        smi = importlib.import_module(module_name)
        smi.amdsmi_init()
    except Exception:  # it raises KeyError, OSError and its own where ROCm is not installed
        return None
    return AmdLibrary(smi)


class AmdLibrary:
    """The library, opened. ``smi`` is the amdsmi module or one that answers like it."""

    def __init__(self, smi: Any) -> None:
        self._smi = smi
        handles = smi.amdsmi_get_processor_handles()
        self._gpus = [AmdGpu(smi, handle, index) for index, handle in enumerate(handles)]

    def gpus(self) -> Sequence[Gpu]:
        """The GPUs."""
        return self._gpus

    def events(self) -> list[Event]:
        """None: the library tells of resets only to privileged users."""
        return []

    def close(self) -> None:
        """Shuts the library down."""
        try:
            self._smi.amdsmi_shut_down()
        except Exception:
            return


class AmdGpu:
    """One GPU."""

    def __init__(self, smi: Any, handle: Any, index: int) -> None:
        self.name = str(index)
        self.index = index
        self._smi = smi
        self._handle = handle
        self.uuid = str(self._or_none(smi.amdsmi_get_gpu_device_uuid) or "")

    def read(self) -> Reading:
        """Reads what can be read; what cannot says ``N/A`` or raises."""
        smi, gauges = self._smi, Reading().gauges
        activity = self._or_none(smi.amdsmi_get_gpu_activity) or {}
        _put(gauges, "util", activity.get("gfx_activity"))
        _put(gauges, "memory_util", activity.get("umc_activity"))
        memory = self._or_none(smi.amdsmi_get_gpu_vram_usage) or {}  # MiB
        used, total = memory.get("vram_used"), memory.get("vram_total")
        if isinstance(used, int) and isinstance(total, int) and total:
            gauges["memory_mb"] = used * (1 << 20) / 1e6
            gauges["memory_percent"] = 100 * used / total
        power = self._or_none(smi.amdsmi_get_power_info) or {}
        if not _put(gauges, "power_w", power.get("current_socket_power")):
            _put(gauges, "power_w", power.get("average_socket_power"))
        _put(gauges, "temperature_c", self._or_none(smi.amdsmi_get_temp_metric, *self._temperature("HOTSPOT")))
        _put(gauges, "memory_temperature_c", self._or_none(smi.amdsmi_get_temp_metric, *self._temperature("VRAM")))
        for key, kind in (("sm_clock_mhz", smi.AmdSmiClkType.GFX), ("memory_clock_mhz", smi.AmdSmiClkType.MEM)):
            _put(gauges, key, (self._or_none(smi.amdsmi_get_clock_info, kind) or {}).get("clk"))
        errors = self._or_none(smi.amdsmi_get_gpu_total_ecc_count) or {}
        _put(gauges, "ecc_corrected", errors.get("correctable_count"))
        _put(gauges, "ecc_uncorrected", errors.get("uncorrectable_count"))
        return Reading(gauges)

    def processes(self) -> dict[int, int]:
        """Bytes used by process id."""
        found = self._or_none(self._smi.amdsmi_get_gpu_process_list) or []
        return {int(process["pid"]): int(process["memory_usage"]["vram_mem"]) for process in found}

    def _temperature(self, sensor: str) -> tuple[Any, Any]:
        return getattr(self._smi.AmdSmiTemperatureType, sensor), self._smi.AmdSmiTemperatureMetric.CURRENT

    def _or_none(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return ask(self._handle, *arguments)
        except Exception:
            return None


def _put(gauges: dict[str, float], key: str, value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    # All bits set is the driver's way to say that it does not know.
    if is_number and value not in (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF):
        gauges[key] = float(value)  # type: ignore[arg-type]
        return True
    return False
