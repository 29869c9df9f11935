"""Which GPUs are a rank's. Pure.

Facts go before conventions: a GPU belongs to the rank whose processes use it. Before any does, and in
containers, where the driver's process ids are the host's, it is the one that CUDA would choose by the rank's
environment. A GPU that no rank claims is told by the node's first rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

# A process that opens all GPUs by accident holds some 500 MB on each, on its own many times as much.
_ACCIDENT_PART = 0.25


class RankFacts(NamedTuple):
    """What is known of a rank on this node.

    Attributes:
        rank: its number.
        pids: its process and all descendants.
        environ: the environment that its process began with.
    """

    rank: int
    pids: Sequence[int]
    environ: Mapping[str, str]


class GpuFacts(NamedTuple):
    """What is known of a GPU: key name, driver's number, UUID, and bytes used by process id."""

    name: str
    number: int
    uuid: str
    used: Mapping[int, int]


def gpus_of_ranks(gpus: Sequence[GpuFacts], ranks: Sequence[RankFacts]) -> dict[int, list[str]]:
    """Returns the names of each rank's GPUs; the first rank also gets those that nobody claims."""
    if not ranks:
        return {}
    owned = {facts.rank: _used_by(gpus, facts) or _meant_for(gpus, facts) for facts in ranks}
    claimed = {name for names in owned.values() for name in names}
    first = min(owned)
    owned[first] = owned[first] + [gpu.name for gpu in gpus if gpu.name not in claimed]
    return owned


def visible_devices(environ: Mapping[str, str]) -> list[str] | None:
    """The devices a process may use, as its environment names them; None means all. After the first bad one, none."""
    for variable in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        if variable in environ:
            devices: list[str] = []
            for device in map(str.strip, environ[variable].split(",")):
                if not device or device.startswith("-") or device in ("NoDevFiles", "void", "none"):
                    break
                devices.append(device)
            return devices
    return None


def local_rank(environ: Mapping[str, str]) -> int | None:
    """The process's number on its node, if a launcher said so."""
    for variable in ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID"):
        value = environ.get(variable, "")
        if value.isdigit():
            return int(value)
    return None


def _used_by(gpus: Sequence[GpuFacts], facts: RankFacts) -> list[str]:
    pids = set(facts.pids)
    used = {
        gpu.name: sum(size for pid, size in gpu.used.items() if pid in pids) for gpu in gpus if pids & set(gpu.used)
    }
    most = max(used.values(), default=0)
    return [name for name, size in used.items() if size >= most * _ACCIDENT_PART]


def _meant_for(gpus: Sequence[GpuFacts], facts: RankFacts) -> list[str]:
    visible = visible_devices(facts.environ)
    whole = [gpu for gpu in gpus if ".mig" not in gpu.name]
    if visible is None:
        found = whole
    else:
        named = (_named(gpus, device) for device in visible)
        found = [gpu for gpu in named if gpu is not None]
    number = local_rank(facts.environ)
    if number is not None and len(found) > 1:
        found = found[number : number + 1]
    return [gpu.name for gpu in found]


def _named(gpus: Sequence[GpuFacts], device: str) -> GpuFacts | None:
    """A device by its number or by its UUID, of which a beginning is enough."""
    if device.isdigit():
        return next((gpu for gpu in gpus if gpu.number == int(device) and ".mig" not in gpu.name), None)
    return next((gpu for gpu in gpus if gpu.uuid.startswith(device)), None)
