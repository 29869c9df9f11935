"""NVIDIA GPUs, against a FAKE of NVML: this machine has none."""

from __future__ import annotations

import sys

import pytest
from support.fake_nvml import CONSTANTS, FakeGpu, FakeNvml

from runstream.forward.gpus import GpuSource, find_gpus
from runstream.forward.nvidia import NvidiaLibrary, open_nvidia

_LOST = CONSTANTS["NVML_ERROR_GPU_IS_LOST"]


def _source(*gpus: FakeGpu) -> tuple[GpuSource, FakeNvml]:
    nvml = FakeNvml(list(gpus))
    return GpuSource([NvidiaLibrary(nvml)]), nvml


def test_the_fake_says_so_and_answers_like_the_real_one() -> None:
    assert FakeNvml.IS_FAKE
    import pynvml as real

    assert {name: getattr(real, name) for name in CONSTANTS} == CONSTANTS
    for name in dir(FakeNvml):
        if name.startswith("nvml"):
            assert callable(getattr(real, name))


def test_everything_of_a_gpu_that_answers() -> None:
    gpu = FakeGpu(0)
    source, _ = _source(gpu)
    first = source.sample(100.0)
    gpu.fields[138] = (3, "ullVal", 10_000_000)  # KiB
    gpu.fields[198] = (3, "ullVal", 50_000_000)
    gpu.reasons = 0x4 | 0x2
    second = source.sample(110.0)
    assert second == {
        "system/gpu.0/util": 87,
        "system/gpu.0/memory_util": 40,
        "system/gpu.0/memory_mb": 20_000,
        "system/gpu.0/memory_percent": 25,
        "system/gpu.0/power_w": 512.345,
        "system/gpu.0/power_limit_w": 700,
        "system/gpu.0/temperature_c": 64,
        "system/gpu.0/memory_temperature_c": 71,
        "system/gpu.0/sm_clock_mhz": 1755,
        "system/gpu.0/memory_clock_mhz": 2619,
        "system/gpu.0/throttle_reasons": 6,
        "system/gpu.0/throttled": 1,
        "system/gpu.0/ecc_corrected": 12,
        "system/gpu.0/ecc_uncorrected": 1,
        "system/gpu.0/nvlink_tx_mb_s": 1024,
        "system/gpu.0/nvlink_rx_mb_s": 0,
        "system/gpu.0/pcie_tx_mb_s": 0,
        "system/gpu.0/pcie_rx_mb_s": 5,
    }
    assert first["system/gpu.0/throttled"] == 0  # only idle
    assert first.keys() == second.keys() - {key for key in second if "nvlink" in key or "pcie" in key}
    assert "nvmlDeviceGetPcieThroughput" not in gpu.asked  # 40 ms that the counters save


def test_where_pcie_has_no_counters_nvml_looks_itself() -> None:
    gpu = FakeGpu(0)
    del gpu.fields[197], gpu.fields[198]
    source, _ = _source(gpu)
    assert source.sample(0)["system/gpu.0/pcie_rx_mb_s"] == 2.5


@pytest.mark.parametrize("code", [3, 4, 13, 2], ids=["not supported", "no permission", "old driver", "unknown field"])
def test_what_a_gpu_does_not_support_is_asked_once_and_costs_nothing_else(code: int) -> None:
    plain, poor = FakeGpu(0), FakeGpu(1)
    poor.errors = {"nvmlDeviceGetTotalEccErrors": code, "nvmlDeviceGetPowerUsage": code}
    del poor.fields[138]
    source, _ = _source(plain, poor)
    for now in range(3):
        values = source.sample(float(now))
    assert poor.asked.count("nvmlDeviceGetTotalEccErrors") == 1
    here, there = ({key.split("/")[2] for key in values if key.startswith(f"system/gpu.{n}/")} for n in (0, 1))
    assert here - there == {"ecc_corrected", "ecc_uncorrected", "power_w", "nvlink_tx_mb_s", "nvlink_rx_mb_s"}


def test_trouble_that_may_pass_is_asked_again() -> None:
    gpu = FakeGpu(0)
    gpu.errors = {"nvmlDeviceGetTemperature": 999}
    source, _ = _source(gpu)
    assert "system/gpu.0/temperature_c" not in source.sample(0)
    gpu.errors = {}
    assert source.sample(1)["system/gpu.0/temperature_c"] == 64


def test_a_gpu_that_falls_off_the_bus_is_told_once_and_the_others_go_on() -> None:
    gone, other = FakeGpu(0), FakeGpu(1)
    source, nvml = _source(gone, other)
    source.sample(0)
    gone.errors = {"*": _LOST}
    nvml.events.append((gone, 79))
    values = source.sample(1)
    assert values["system/gpu.0/lost"] == 1
    assert values["system/gpu.1/util"] == 87
    assert [(event.gpu, event.name, event.code) for event in source.take_events()] == [
        ("0", "lost", 1),
        ("unknown", "xid", 79),
    ]
    asked = len(gone.asked)
    assert not any(key.startswith("system/gpu.0/") for key in source.sample(30))
    assert len(gone.asked) == asked
    assert source.sample(62)["system/gpu.0/lost"] == 1
    assert source.take_events() == []
    gone.errors = {}
    back = source.sample(130)
    assert back["system/gpu.0/lost"] == 0
    assert "system/gpu.0/nvlink_tx_mb_s" not in back  # counters began again


def test_xids_are_values_and_events() -> None:
    gpu = FakeGpu(3)
    source, nvml = _source(FakeGpu(0), FakeGpu(1), FakeGpu(2), gpu)
    nvml.events += [(gpu, 31), (gpu, 94)]
    assert source.sample(0)["system/gpu.3/xid"] == 94
    assert [event.code for event in source.take_events()] == [31, 94]
    assert "system/gpu.3/xid" not in source.sample(1)


def test_a_gpu_in_mig_parts_tells_memory_of_each() -> None:
    source, _ = _source(FakeGpu(0, mig_parts=2), FakeGpu(1))
    values = source.sample(0)
    assert values["system/gpu.0.mig1/memory_mb"] == 20_000
    assert values["system/gpu.0/temperature_c"] == 64
    assert "system/gpu.0/util" not in values
    assert values["system/gpu.1/util"] == 87
    assert [gpu.name for gpu in source.gpus] == ["0", "0.mig0", "0.mig1", "1"]


def test_a_gpu_that_was_dead_from_the_start_is_left_out() -> None:
    dead = FakeGpu(0)
    dead.errors = {"*": 999}
    source, _ = _source(dead, FakeGpu(1))
    assert {key.split("/")[1] for key in source.sample(0)} == {"gpu.1"}


def test_processes_and_their_memory() -> None:
    gpu, silent = FakeGpu(0), FakeGpu(1)
    gpu.processes = {11: 5_000, 12: None}  # None: on Windows, and where the driver does not know
    silent.errors = {"nvmlDeviceGetComputeRunningProcesses": 3}
    source, _ = _source(gpu, silent)
    assert source.processes() == {"0": {11: 5_000, 12: 0}, "1": {}}


def test_a_machine_without_the_package_driver_or_gpus_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_nvidia("no_such_module_as_pynvml") is None
    for nvml in (FakeNvml([], init_error=9), FakeNvml([])):
        monkeypatch.setitem(sys.modules, "fake_pynvml", nvml)  # type: ignore[arg-type]
        assert find_gpus([lambda: open_nvidia("fake_pynvml")]) is None
    assert find_gpus([lambda: 1 / 0]) is None  # type: ignore[list-item,return-value]


def test_closing_lets_go_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml([FakeGpu(0)])
    monkeypatch.setitem(sys.modules, "fake_pynvml", nvml)  # type: ignore[arg-type]
    source = find_gpus([lambda: open_nvidia("fake_pynvml")])
    assert source is not None
    assert nvml.is_open
    source.close()
    assert not nvml.is_open
