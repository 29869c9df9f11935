"""NVIDIA GPUs through NVML, by the ``nvidia-ml-py`` package (extra ``gpu``)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from runstream.forward.gpus import Event, Gpu, GpuLost, Reading

_MB = 1e6
_ALL_LINKS = 0xFFFFFFFF  # scope of a field: the sum over all NVLinks
_MOST_EVENTS = 100
# Reasons that mean "slower than it could be", without those that somebody chose (application clocks, idle).
_SLOWED_BY = ("SwPowerCap", "HwSlowdown", "SwThermalSlowdown", "HwThermalSlowdown", "HwPowerBrakeSlowdown")

Read = Callable[[Any, Any], dict[str, float]]  # the pynvml module, a device handle


def open_nvidia(module_name: str = "pynvml") -> NvidiaLibrary | None:
    """Opens NVML; None without the package, the driver, or permission."""
    try:
        nvml = importlib.import_module(module_name)
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return NvidiaLibrary(nvml)


class NvidiaLibrary:
    """NVML, opened. ``nvml`` is the pynvml module or one that answers like it."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self._gpus: list[NvidiaGpu] = []
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                uuid = _text(nvml.nvmlDeviceGetUUID(handle))
            except nvml.NVMLError:  # dead since the machine started
                continue
            self._gpus.append(NvidiaGpu(nvml, handle, str(index), index, uuid, _READERS))
            self._gpus += self._mig_parts(handle, index)
        self._event_set = self._register_events()

    def gpus(self) -> Sequence[Gpu]:
        """The GPUs, each followed by its MIG parts."""
        return self._gpus

    def events(self) -> list[Event]:
        """XIDs since the last call."""
        nvml = self._nvml
        found: list[Event] = []
        while self._event_set is not None and len(found) < _MOST_EVENTS:
            try:
                event = nvml.nvmlEventSetWait_v2(self._event_set, 0)
            except nvml.NVMLError:  # a timeout: there are no more
                break
            if event.eventType & nvml.nvmlEventTypeXidCriticalError:
                code = int(event.eventData)
                found.append(Event(self._name_of(event.device), "xid", code, f"XID {code}"))
        return found

    def close(self) -> None:
        """Shuts NVML down."""
        nvml = self._nvml
        try:
            if self._event_set is not None:
                nvml.nvmlEventSetFree(self._event_set)
            nvml.nvmlShutdown()
        except nvml.NVMLError:
            pass
        self._event_set = None

    def _mig_parts(self, handle: Any, index: int) -> Iterator[NvidiaGpu]:
        """A GPU that is cut into parts answers for some things as a whole, for memory each part by itself."""
        nvml = self._nvml
        try:
            if not nvml.nvmlDeviceGetMigMode(handle)[0]:
                return
            most = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
        except nvml.NVMLError:
            return
        for number in range(most):
            try:
                part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
                uuid = _text(nvml.nvmlDeviceGetUUID(part))
            except nvml.NVMLError:
                continue
            yield NvidiaGpu(nvml, part, f"{index}.mig{number}", index, uuid, {"memory": _memory})

    def _register_events(self) -> Any:
        nvml = self._nvml
        try:
            event_set = nvml.nvmlEventSetCreate()
        except nvml.NVMLError:
            return None
        for gpu in self._gpus:
            if ".mig" not in gpu.name:
                try:
                    nvml.nvmlDeviceRegisterEvents(gpu.handle, nvml.nvmlEventTypeXidCriticalError, event_set)
                except nvml.NVMLError:  # this one tells none
                    continue
        return event_set

    def _name_of(self, device: Any) -> str:
        try:
            return str(self._nvml.nvmlDeviceGetIndex(device))
        except self._nvml.NVMLError:  # it is lost, which is what its event says
            return "unknown"


class NvidiaGpu:
    """One GPU or MIG part. What it does not support is asked once and never again."""

    def __init__(self, nvml: Any, handle: Any, name: str, index: int, uuid: str, readers: dict[str, Read]) -> None:
        self.name = name
        self.index = index
        self.uuid = uuid
        self.handle = handle
        self._nvml = nvml
        self._readers = dict(readers)
        self._never = {
            nvml.NVML_ERROR_NOT_SUPPORTED,
            nvml.NVML_ERROR_NO_PERMISSION,
            nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
            nvml.NVML_ERROR_INVALID_ARGUMENT,
        }
        self._gone = {nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED, nvml.NVML_ERROR_GPU_NOT_FOUND}

    def read(self) -> Reading:
        """Reads what can be read."""
        reading = Reading()
        for name in list(self._readers):
            read = self._readers.get(name)
            if read is None:  # another one has just made it needless
                continue
            try:
                values = read(self._nvml, self.handle)
            except self._nvml.NVMLError as error:
                if error.value in self._gone:
                    raise GpuLost(str(error)) from error
                if error.value in self._never:
                    del self._readers[name]
                continue  # any other trouble may pass
            (reading.counters if name in _COUNTERS else reading.gauges).update(values)
            if name == "pcie_counters":
                self._readers.pop("pcie", None)
        return reading

    def processes(self) -> dict[int, int]:
        """Bytes used by process id. In a container the ids may be the host's, or missing."""
        found = self._nvml.nvmlDeviceGetComputeRunningProcesses(self.handle)
        return {int(process.pid): int(process.usedGpuMemory or 0) for process in found}


def _utilization(nvml: Any, handle: Any) -> dict[str, float]:
    rates = nvml.nvmlDeviceGetUtilizationRates(handle)
    return {"util": float(rates.gpu), "memory_util": float(rates.memory)}


def _memory(nvml: Any, handle: Any) -> dict[str, float]:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    values = {"memory_mb": memory.used / _MB}
    if memory.total:
        values["memory_percent"] = 100 * memory.used / memory.total
    return values


def _power(nvml: Any, handle: Any) -> dict[str, float]:
    return {"power_w": nvml.nvmlDeviceGetPowerUsage(handle) / 1000}


def _power_limit(nvml: Any, handle: Any) -> dict[str, float]:
    return {"power_limit_w": nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000}


def _temperature(nvml: Any, handle: Any) -> dict[str, float]:
    return {"temperature_c": float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))}


def _memory_temperature(nvml: Any, handle: Any) -> dict[str, float]:
    return {"memory_temperature_c": _field(nvml, handle, nvml.NVML_FI_DEV_MEMORY_TEMP)}


def _sm_clock(nvml: Any, handle: Any) -> dict[str, float]:
    return {"sm_clock_mhz": float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM))}


def _memory_clock(nvml: Any, handle: Any) -> dict[str, float]:
    return {"memory_clock_mhz": float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM))}


def _throttle(nvml: Any, handle: Any) -> dict[str, float]:
    reasons = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    slowing = sum(getattr(nvml, f"nvmlClocksThrottleReason{name}") for name in _SLOWED_BY)
    return {"throttle_reasons": float(reasons), "throttled": float(bool(reasons & slowing))}


def _ecc(nvml: Any, handle: Any) -> dict[str, float]:
    def count(kind: int) -> float:
        return float(nvml.nvmlDeviceGetTotalEccErrors(handle, kind, nvml.NVML_VOLATILE_ECC))

    return {
        "ecc_corrected": count(nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
        "ecc_uncorrected": count(nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
    }


def _nvlink(nvml: Any, handle: Any) -> dict[str, float]:
    sent, received = nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX
    return {
        "nvlink_tx_mb_s": _field(nvml, handle, (sent, _ALL_LINKS)) * 1024,
        "nvlink_rx_mb_s": _field(nvml, handle, (received, _ALL_LINKS)) * 1024,
    }


def _pcie_counters(nvml: Any, handle: Any) -> dict[str, float]:
    return {
        "pcie_tx_mb_s": _field(nvml, handle, getattr(nvml, "NVML_FI_DEV_PCIE_COUNT_TX_BYTES", 197)),
        "pcie_rx_mb_s": _field(nvml, handle, getattr(nvml, "NVML_FI_DEV_PCIE_COUNT_RX_BYTES", 198)),
    }


def _pcie(nvml: Any, handle: Any) -> dict[str, float]:
    """Where there are no counters: NVML looks for 20 ms each way, in KB/s."""
    return {
        "pcie_tx_mb_s": nvml.nvmlDeviceGetPcieThroughput(handle, nvml.NVML_PCIE_UTIL_TX_BYTES) / 1000,
        "pcie_rx_mb_s": nvml.nvmlDeviceGetPcieThroughput(handle, nvml.NVML_PCIE_UTIL_RX_BYTES) / 1000,
    }


_COUNTERS = frozenset({"nvlink", "pcie_counters"})
# In this order: counters that answer make the slower way to the same values needless.
_READERS: dict[str, Read] = {
    "utilization": _utilization,
    "memory": _memory,
    "power": _power,
    "power_limit": _power_limit,
    "temperature": _temperature,
    "memory_temperature": _memory_temperature,
    "sm_clock": _sm_clock,
    "memory_clock": _memory_clock,
    "throttle": _throttle,
    "ecc": _ecc,
    "nvlink": _nvlink,
    "pcie_counters": _pcie_counters,
    "pcie": _pcie,
}


def _field(nvml: Any, handle: Any, field: int | tuple[int, int]) -> float:
    (found,) = nvml.nvmlDeviceGetFieldValues(handle, [field])
    if found.nvmlReturn:
        raise nvml.NVMLError(found.nvmlReturn)
    members = {
        nvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
        nvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
        nvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
        nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
        nvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
    }
    return float(getattr(found.value, members.get(found.valueType, "uiVal")))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
