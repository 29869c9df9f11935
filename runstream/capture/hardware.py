"""What machine this is: processors, memory, disk, GPUs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runstream.capture.command import CommandFailed, printed

_NVIDIA_SMI_TIMEOUT_S = 10.0  # it wakes GPUs up where no persistence daemon runs
_NVIDIA_SMI_FIELDS = ("index", "name", "memory.total", "driver_version", "uuid", "pci.bus_id")


def read(cwd: str, proc: Path = Path("/proc")) -> dict[str, Any]:
    """Returns facts about the machine. What is unknown is left out."""
    facts: dict[str, Any] = {"cpu_count": os.cpu_count()}
    if hasattr(os, "sched_getaffinity"):
        facts["cpu_count_usable"] = len(os.sched_getaffinity(0))
    facts |= _cpu_model(proc) | _memory(proc)
    try:
        disk = os.statvfs(cwd)
        facts["disk_total_mb"] = disk.f_frsize * disk.f_blocks >> 20
        facts["disk_free_mb"] = disk.f_frsize * disk.f_bavail >> 20
    except OSError:
        pass
    if gpus := nvidia_gpus(proc):
        facts["gpus"] = gpus
        facts["gpu_count"] = len(gpus)
    return facts


def nvidia_gpus(proc: Path = Path("/proc"), command: Sequence[str] = ("nvidia-smi",)) -> list[dict[str, Any]]:
    """NVIDIA GPUs of the machine; none without their driver.

    Asks ``nvidia-smi``, a process of its own: a sick GPU can make NVML hang, and this one can be left behind.
    """
    if not (proc / "driver" / "nvidia" / "version").exists():
        return []
    query = [*command, f"--query-gpu={','.join(_NVIDIA_SMI_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        text = printed(query, timeout_s=_NVIDIA_SMI_TIMEOUT_S).data.decode("utf-8", "replace")
        version = printed([*command, "--version"], timeout_s=_NVIDIA_SMI_TIMEOUT_S).data.decode("utf-8", "replace")
    except CommandFailed as error:
        return [{"name": name, "error": str(error)} for name in _names_from_proc(proc)]
    return parse_nvidia_smi(text, version)


def parse_nvidia_smi(text: str, version: str) -> list[dict[str, Any]]:
    """GPUs in ``nvidia-smi``'s CSV, with the CUDA version that its ``--version`` names. Pure."""
    cuda = next((line.split(":", 1)[1].strip() for line in version.splitlines() if line.startswith("CUDA")), "")
    gpus: list[dict[str, Any]] = []
    for line in text.splitlines():
        values = [value.strip() for value in line.split(", ")]
        if len(values) != len(_NVIDIA_SMI_FIELDS):
            continue
        index, name, memory, driver, uuid, bus = values
        gpu: dict[str, Any] = {"index": int(index) if index.isdigit() else len(gpus), "name": name}
        if memory.isdigit():
            gpu["memory_mb"] = int(memory)
        gpus.append({**gpu, "driver": driver, "cuda": cuda, "uuid": uuid, "pci": bus})
    return gpus


def _names_from_proc(proc: Path) -> list[str]:
    names = []
    for path in sorted((proc / "driver" / "nvidia" / "gpus").glob("*/information")):
        lines = path.read_text("utf-8", "replace").splitlines()
        names += [line.split(":", 1)[1].strip() for line in lines if line.startswith("Model")]
    return names


def _cpu_model(proc: Path) -> dict[str, str]:
    try:
        with (proc / "cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(("model name", "Model")):
                    return {"cpu_model": line.split(":", 1)[1].strip()}
    except OSError:
        pass
    return {}


def _memory(proc: Path) -> dict[str, int]:
    try:
        first = (proc / "meminfo").read_text("ascii", "replace").split("\n", 1)[0]
        return {"memory_total_mb": int(first.split()[1]) >> 10}
    except (OSError, ValueError, IndexError):
        return {}
