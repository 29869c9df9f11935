"""A FAKE of NVIDIA's ``pynvml`` module, for machines without a GPU. Nothing here asks a driver.

It answers with the names, numbers and errors of nvidia-ml-py 13 (``tests/unit/forward/test_nvidia.py`` compares
them where that is installed). What a GPU supports, and which call fails how, is chosen by the test.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

CONSTANTS = {
    "NVML_ERROR_UNINITIALIZED": 1,
    "NVML_ERROR_INVALID_ARGUMENT": 2,
    "NVML_ERROR_NOT_SUPPORTED": 3,
    "NVML_ERROR_NO_PERMISSION": 4,
    "NVML_ERROR_DRIVER_NOT_LOADED": 9,
    "NVML_ERROR_TIMEOUT": 10,
    "NVML_ERROR_FUNCTION_NOT_FOUND": 13,
    "NVML_ERROR_GPU_IS_LOST": 15,
    "NVML_ERROR_RESET_REQUIRED": 16,
    "NVML_ERROR_GPU_NOT_FOUND": 28,
    "NVML_ERROR_UNKNOWN": 999,
    "NVML_TEMPERATURE_GPU": 0,
    "NVML_CLOCK_SM": 1,
    "NVML_CLOCK_MEM": 2,
    "NVML_VOLATILE_ECC": 0,
    "NVML_MEMORY_ERROR_TYPE_CORRECTED": 0,
    "NVML_MEMORY_ERROR_TYPE_UNCORRECTED": 1,
    "NVML_PCIE_UTIL_TX_BYTES": 0,
    "NVML_PCIE_UTIL_RX_BYTES": 1,
    "NVML_FI_DEV_MEMORY_TEMP": 82,
    "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX": 138,
    "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX": 139,
    "NVML_FI_DEV_PCIE_COUNT_TX_BYTES": 197,
    "NVML_FI_DEV_PCIE_COUNT_RX_BYTES": 198,
    "NVML_VALUE_TYPE_DOUBLE": 0,
    "NVML_VALUE_TYPE_UNSIGNED_INT": 1,
    "NVML_VALUE_TYPE_UNSIGNED_LONG": 2,
    "NVML_VALUE_TYPE_UNSIGNED_LONG_LONG": 3,
    "NVML_VALUE_TYPE_SIGNED_LONG_LONG": 4,
    "nvmlEventTypeXidCriticalError": 8,
    "nvmlClocksThrottleReasonSwPowerCap": 4,
    "nvmlClocksThrottleReasonHwSlowdown": 8,
    "nvmlClocksThrottleReasonSwThermalSlowdown": 0x20,
    "nvmlClocksThrottleReasonHwThermalSlowdown": 0x40,
    "nvmlClocksThrottleReasonHwPowerBrakeSlowdown": 0x80,
}


class NVMLError(Exception):
    """As in pynvml: an error that carries its code."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return f"NVML error {self.value}"


class FakeGpu:
    """One made-up GPU; ``errors`` maps a function's name to the code that it fails with."""

    def __init__(self, index: int, *, mig_parts: int = 0) -> None:
        self.index = index
        self.uuid = f"GPU-{index:08x}-0000-0000-0000-000000000000"
        self.errors: dict[str, int] = {}
        self.asked: list[str] = []
        self.processes: dict[int, int | None] = {}
        self.reasons = 1
        self.fields: dict[int, tuple[int, str, float]] = {  # id: (value type, member, value)
            82: (1, "uiVal", 71),
            138: (3, "ullVal", 0),
            139: (3, "ullVal", 0),
            197: (3, "ullVal", 0),
            198: (3, "ullVal", 0),
        }
        self.parts = [FakeGpu.part(index, number) for number in range(mig_parts)]
        if mig_parts:  # as NVIDIA's MIG guide says: no utilization of the whole
            self.errors["nvmlDeviceGetUtilizationRates"] = 3

    @staticmethod
    def part(index: int, number: int) -> FakeGpu:
        """A MIG part, which answers for memory alone."""
        made = FakeGpu(index)
        made.uuid = f"MIG-{index}-{number}"
        return made


class FakeNvml:
    """Stands in for the module ``pynvml``."""

    IS_FAKE = True
    NVMLError = NVMLError

    def __init__(self, gpus: list[FakeGpu], *, init_error: int = 0) -> None:
        self.gpus = gpus
        self.events: list[tuple[FakeGpu, int]] = []
        self.is_open = False
        self._init_error = init_error
        self._registered: list[FakeGpu] = []
        for name, value in CONSTANTS.items():
            setattr(self, name, value)

    def nvmlInit(self) -> None:
        if self._init_error:
            raise NVMLError(self._init_error)
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        return self._ask(self.gpus[index], "nvmlDeviceGetHandleByIndex")

    def nvmlDeviceGetIndex(self, gpu: FakeGpu) -> int:
        return self._ask(gpu, "nvmlDeviceGetIndex").index

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:
        return self._ask(gpu, "nvmlDeviceGetUUID").uuid

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> SimpleNamespace:
        self._ask(gpu, "nvmlDeviceGetUtilizationRates")
        return SimpleNamespace(gpu=87, memory=40)

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu) -> SimpleNamespace:
        self._ask(gpu, "nvmlDeviceGetMemoryInfo")
        return SimpleNamespace(total=80_000_000_000, free=60_000_000_000, used=20_000_000_000)

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> int:
        self._ask(gpu, "nvmlDeviceGetPowerUsage")
        return 512_345

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu: FakeGpu) -> int:
        self._ask(gpu, "nvmlDeviceGetEnforcedPowerLimit")
        return 700_000

    def nvmlDeviceGetTemperature(self, gpu: FakeGpu, sensor: int) -> int:
        assert sensor == 0
        self._ask(gpu, "nvmlDeviceGetTemperature")
        return 64

    def nvmlDeviceGetClockInfo(self, gpu: FakeGpu, kind: int) -> int:
        self._ask(gpu, "nvmlDeviceGetClockInfo")
        return {1: 1755, 2: 2619}[kind]

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, gpu: FakeGpu) -> int:
        return self._ask(gpu, "nvmlDeviceGetCurrentClocksThrottleReasons").reasons

    def nvmlDeviceGetTotalEccErrors(self, gpu: FakeGpu, kind: int, counter: int) -> int:
        assert counter == 0
        self._ask(gpu, "nvmlDeviceGetTotalEccErrors")
        return {0: 12, 1: 1}[kind]

    def nvmlDeviceGetPcieThroughput(self, gpu: FakeGpu, counter: int) -> int:
        self._ask(gpu, "nvmlDeviceGetPcieThroughput")
        return {0: 1500, 1: 2500}[counter]

    def nvmlDeviceGetFieldValues(self, gpu: FakeGpu, fields: list[Any]) -> list[SimpleNamespace]:
        self._ask(gpu, "nvmlDeviceGetFieldValues")
        found = []
        for field in fields:
            number = field[0] if isinstance(field, tuple) else field
            kind, member, value = gpu.fields.get(number, (0, "dVal", 0.0))
            code = 0 if number in gpu.fields else 3
            found.append(SimpleNamespace(nvmlReturn=code, valueType=kind, value=SimpleNamespace(**{member: value})))
        return found

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: FakeGpu) -> list[SimpleNamespace]:
        self._ask(gpu, "nvmlDeviceGetComputeRunningProcesses")
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in gpu.processes.items()]

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:
        self._ask(gpu, "nvmlDeviceGetMigMode")
        return [1, 1] if gpu.parts else [0, 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: FakeGpu) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: FakeGpu, number: int) -> FakeGpu:
        if number >= len(gpu.parts):
            raise NVMLError(6)  # not found
        return gpu.parts[number]

    def nvmlEventSetCreate(self) -> list[FakeGpu]:
        return self._registered

    def nvmlEventSetFree(self, event_set: list[FakeGpu]) -> None:
        event_set.clear()

    def nvmlDeviceRegisterEvents(self, gpu: FakeGpu, kinds: int, event_set: list[FakeGpu]) -> None:
        event_set.append(self._ask(gpu, "nvmlDeviceRegisterEvents"))

    def nvmlEventSetWait_v2(self, event_set: list[FakeGpu], timeout_ms: int) -> SimpleNamespace:
        while self.events:
            gpu, code = self.events.pop(0)
            if gpu in event_set:
                return SimpleNamespace(device=gpu, eventType=8, eventData=code)
        raise NVMLError(10)

    def _ask(self, gpu: FakeGpu, name: str) -> FakeGpu:
        gpu.asked.append(name)
        if name in gpu.errors or "*" in gpu.errors:
            raise NVMLError(gpu.errors.get(name, gpu.errors.get("*", 0)))
        return gpu
