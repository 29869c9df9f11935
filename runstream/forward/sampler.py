"""System metrics of one node's part of a run. ``docs/system-metrics.md`` lists the keys.

    node, InfiniBand ──────────► the node's first rank
    process tree, cgroup ──────► each rank its own
    GPUs ──────► who uses which ──────► each rank its own, the rest to the first

Sampled by the forwarder, so training pays nothing. A source that fails is left out; one that fails again and
again is left alone for a minute.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from runstream.forward.cgroup import Cgroup
from runstream.forward.gpus import Event, GpuSource
from runstream.forward.infiniband import InfiniBand
from runstream.forward.machine import Machine
from runstream.forward.proc import read_file
from runstream.forward.process_tree import ProcessTree
from runstream.forward.ranks import GpuFacts, RankFacts, gpus_of_ranks

SHORTEST_INTERVAL_S = 1.0
LONGEST_INTERVAL_S = 15.0
_OWNERS_EVERY_S = 30.0
_FAILURES_IN_A_ROW = 3
_REST_S = 60.0

Samples = dict[int, dict[str, float]]


class Source(Protocol):
    """Something to sample."""

    def sample(self, now_s: float) -> dict[str, float]:
        """Values by key; ``now_s`` only goes forward."""
        ...


def interval_s(age_s: float, longest_s: float = LONGEST_INTERVAL_S) -> float:
    """How long to wait until the next sample of a run of this age.

    A second in the first minute, then a sixtieth of the age, up to the longest: a short run has about sixty
    samples a doubling of its age, a day has 5,800.
    """
    return max(SHORTEST_INTERVAL_S, min(age_s / 60, longest_s))


class Sampler:
    """Samples this node for every rank on it. For one thread.

    Args:
        gpus: the GPUs, or None without any.
        node: the machine.
        infiniband: its ports.
        proc: where procfs is.
    """

    def __init__(
        self,
        gpus: GpuSource | None = None,
        node: Source | None = None,
        infiniband: Source | None = None,
        proc: str = "/proc",
    ) -> None:
        self._gpus = gpus
        self._gpu_source = None if gpus is None else _Guarded(gpus)
        self._shared = [_Guarded(node or Machine()), _Guarded(infiniband or InfiniBand())]
        self._proc = proc
        self._ranks: dict[int, _Rank] = {}
        self._owners: dict[str, int] = {}
        self._owners_at_s = -math.inf

    def add(self, rank: int, pid: int) -> None:
        """Begins to sample a rank's process and its descendants."""
        self._ranks[rank] = _Rank(rank, pid, self._proc)
        self._owners_at_s = -math.inf

    def remove(self, rank: int) -> None:
        """Ends that. Idempotent."""
        self._ranks.pop(rank, None)
        self._owners_at_s = -math.inf

    def sample(self, now_s: float) -> Samples:
        """Returns values by rank and key; never raises. Takes a few ms, with GPUs up to 40 ms each."""
        values = {rank: found for rank, at in self._ranks.items() if (found := at.sample(now_s))}
        if not values:  # every process has gone
            return {}
        first = min(values)
        for source in self._shared:
            values[first] |= source.sample(now_s)
        if self._gpu_source is not None:
            by_gpu = self._gpu_source.sample(now_s)
            self._find_owners(now_s)
            for key, value in by_gpu.items():
                name = key.removeprefix("system/gpu.").split("/", 1)[0]
                owner = self._owners.get(name, first)
                values[owner if owner in values else first][key] = value
        return values

    def take_events(self) -> list[tuple[int, Event]]:
        """What has happened to GPUs since the last call, with the rank that it concerns."""
        if self._gpus is None or not self._ranks:
            return []
        first = min(self._ranks)
        return [(self._owners.get(event.gpu, first), event) for event in self._gpus.take_events()]

    def _find_owners(self, now_s: float) -> None:
        # Processes open their GPUs some time after they began; asking costs a call a GPU.
        if now_s - self._owners_at_s < _OWNERS_EVERY_S or self._gpus is None:
            return
        self._owners_at_s = now_s
        used = self._gpus.processes()
        gpus = [GpuFacts(gpu.name, gpu.index, gpu.uuid, used.get(gpu.name, {})) for gpu in self._gpus.gpus]
        owned = gpus_of_ranks(gpus, [rank.facts() for rank in self._ranks.values()])
        self._owners = {name: rank for rank, names in sorted(owned.items(), reverse=True) for name in names}


class Sampling:
    """A sampler on a thread of its own, since a sick driver may hold up a call for ever.

    Args:
        open_sampler: makes what to sample, on that thread: opening a sick driver may take for ever too.
        emit: takes what was sampled and what happened, on that thread.
        longest_s: the longest interval.
        age_s: how old the run is already.
    """

    def __init__(
        self,
        open_sampler: Callable[[], Sampler],
        emit: Callable[[Samples, list[tuple[int, Event]]], None],
        longest_s: float = LONGEST_INTERVAL_S,
        age_s: float = 0.0,
    ) -> None:
        self._open_sampler = open_sampler
        self._emit = emit
        self._longest_s = longest_s
        self._age_s = age_s
        self._stopped = threading.Event()
        self._changes: deque[Callable[[Sampler], None]] = deque()  # made by the sampling thread: nobody waits for it
        self._thread = threading.Thread(target=self._run, name="runstream-sampler", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def add(self, rank: int, pid: int) -> None:
        """Samples a rank's process from the next time on."""
        self._changes.append(lambda sampler: sampler.add(rank, pid))

    def remove(self, rank: int) -> None:
        """Ends that. Idempotent."""
        self._changes.append(lambda sampler: sampler.remove(rank))

    def stop(self, wait_s: float = 0.5) -> None:
        """Ends it; a sample that hangs is left behind, and not emitted."""
        self._stopped.set()
        self._thread.join(wait_s)

    def _run(self) -> None:
        started = time.monotonic() - self._age_s
        sampler = self._open_sampler()
        while not self._stopped.is_set():
            now = time.monotonic()
            while self._changes:
                self._changes.popleft()(sampler)
            samples, events = sampler.sample(now), sampler.take_events()
            if (samples or events) and not self._stopped.is_set():
                with contextlib.suppress(Exception):  # its trouble is the taker's; the next ones are still wanted
                    self._emit(samples, events)
            self._stopped.wait(interval_s(now - started, self._longest_s))


class _Rank:
    """One rank's process and what belongs to it alone."""

    def __init__(self, rank: int, pid: int, proc: str) -> None:
        self._rank = rank
        self._tree = ProcessTree(pid, proc)
        self._tree_source = _Guarded(self._tree)
        self._cgroup = _Guarded(Cgroup(pid, proc))
        self._environ = _environ_of(pid, proc)

    def sample(self, now_s: float) -> dict[str, float]:
        values = self._tree_source.sample(now_s)
        return values | self._cgroup.sample(now_s) if values else {}

    def facts(self) -> RankFacts:
        return RankFacts(self._rank, self._tree.pids(), self._environ)


class _Guarded:
    """A source whose failures are its own."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._failures = 0
        self._rest_until_s = -math.inf

    def sample(self, now_s: float) -> dict[str, float]:
        if now_s < self._rest_until_s:
            return {}
        try:
            values = self._source.sample(now_s)
        except Exception:  # whatever a driver or a kernel of another age does
            self._failures += 1
            if self._failures >= _FAILURES_IN_A_ROW:
                self._rest_until_s, self._failures = now_s + _REST_S, 0
            return {}
        self._failures = 0
        return {key: value for key, value in values.items() if math.isfinite(value)}


def _environ_of(pid: int, proc: str) -> dict[str, str]:
    try:
        entries = read_file(f"{proc}/{pid}/environ").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)
