"""AMD GPUs, against a FAKE of amdsmi 6.4: this machine has none."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from runstream.forward.amd import open_amd
from runstream.forward.gpus import GpuSource


def _fake(**changes: Any) -> SimpleNamespace:
    def fail(*arguments: object) -> None:
        raise RuntimeError("AMDSMI_STATUS_NOT_SUPPORTED")

    answers: dict[str, Any] = {
        "amdsmi_init": lambda: None,
        "amdsmi_shut_down": lambda: None,
        "amdsmi_get_processor_handles": lambda: ["handle"],
        "amdsmi_get_gpu_device_uuid": lambda handle: "aaff-0000",
        "amdsmi_get_gpu_activity": lambda handle: {"gfx_activity": 90, "umc_activity": "N/A", "mm_activity": 0xFFFF},
        "amdsmi_get_gpu_vram_usage": lambda handle: {"vram_total": 65536, "vram_used": 16384},
        "amdsmi_get_power_info": lambda handle: {"current_socket_power": "N/A", "average_socket_power": 430},
        "amdsmi_get_temp_metric": lambda handle, sensor, metric: {"hot": 55, "vram": 60}[sensor],
        "amdsmi_get_clock_info": lambda handle, kind: {"clk": 1700} if kind == "gfx" else fail(),
        "amdsmi_get_gpu_total_ecc_count": lambda handle: {"correctable_count": 3, "uncorrectable_count": 0},
        "amdsmi_get_gpu_process_list": lambda handle: [{"pid": 7, "memory_usage": {"vram_mem": 9}}],
        "AmdSmiTemperatureType": SimpleNamespace(HOTSPOT="hot", VRAM="vram"),
        "AmdSmiTemperatureMetric": SimpleNamespace(CURRENT="now"),
        "AmdSmiClkType": SimpleNamespace(GFX="gfx", MEM="mem"),
    }
    return SimpleNamespace(**{**answers, **changes})


def test_what_an_amd_gpu_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fake_amdsmi", _fake())  # type: ignore[arg-type]
    library = open_amd("fake_amdsmi")
    assert library is not None
    source = GpuSource([library])
    assert source.sample(0) == {
        "system/gpu.0/util": 90,
        "system/gpu.0/memory_mb": pytest.approx(17179.87, abs=0.01),
        "system/gpu.0/memory_percent": 25,
        "system/gpu.0/power_w": 430,
        "system/gpu.0/temperature_c": 55,
        "system/gpu.0/memory_temperature_c": 60,
        "system/gpu.0/sm_clock_mhz": 1700,
        "system/gpu.0/ecc_corrected": 3,
        "system/gpu.0/ecc_uncorrected": 0,
    }
    assert source.processes() == {"0": {7: 9}}
    source.close()


def test_a_machine_without_rocm_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_amd("no_such_module_as_amdsmi") is None
    monkeypatch.setitem(sys.modules, "fake_amdsmi", _fake(amdsmi_init=lambda: 1 / 0))  # type: ignore[arg-type]
    assert open_amd("fake_amdsmi") is None
