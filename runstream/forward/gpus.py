"""GPUs, whoever made them: readings to keys and rates, one that fails never at the cost of another.

library (nvidia.py, amd.py) ──► Gpu.read() ──► GpuSource ──► system/gpu.0/util …
                                                  │ counters become rates
                                                  │ a GPU that is lost is told once and left alone
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from runstream.forward.proc import MB
from runstream.forward.rates import Rates

_ASK_A_LOST_ONE_EVERY_S = 60.0


class GpuLost(Exception):
    """The GPU does not answer any more: it fell off the bus or needs a reset."""


@dataclass
class Reading:
    """What one GPU says.

    Attributes:
        gauges: values by the last part of their key.
        counters: counts of bytes by the last part of the key that their rate in MB/s gets.
    """

    gauges: dict[str, float] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)


class Event(NamedTuple):
    """Something that happened to a GPU: an XID of its driver, or its loss."""

    gpu: str
    name: str
    code: int
    message: str


class Gpu(Protocol):
    """One GPU, or one part of a shared one.

    Attributes:
        name: ``0``, or ``0.mig1`` for a part.
        index: the driver's number of the whole GPU.
        uuid: the driver's name for it, which a scheduler may use.
    """

    name: str
    index: int
    uuid: str

    def read(self) -> Reading:
        """Reads what can be read; raises GpuLost."""
        ...

    def processes(self) -> dict[int, int]:
        """Bytes used by process id; empty where that is unknown."""
        ...


class GpuLibrary(Protocol):
    """A vendor's library."""

    def gpus(self) -> Sequence[Gpu]:
        """The GPUs that are there, in the driver's order."""
        ...

    def events(self) -> list[Event]:
        """What has happened since the last call."""
        ...

    def close(self) -> None:
        """Lets go of the driver."""
        ...


class GpuSource:
    """Samples GPUs of all libraries.

    Args:
        libraries: those that were found.
    """

    def __init__(self, libraries: Sequence[GpuLibrary]) -> None:
        self._libraries = libraries
        self._rates = Rates()
        self._lost_until_s: dict[str, float] = {}
        self._lost: set[str] = set()
        self._events: list[Event] = []
        self.gpus: list[Gpu] = [gpu for library in libraries for gpu in library.gpus()]

    def sample(self, now_s: float) -> dict[str, float]:
        """Returns values by key of every GPU that answers."""
        values: dict[str, float] = {}
        for gpu in self.gpus:
            key = f"system/gpu.{gpu.name}"
            if now_s < self._lost_until_s.get(gpu.name, now_s):
                continue
            try:
                reading = gpu.read()
            except GpuLost as error:
                self._lose(gpu, str(error), now_s)
                values[f"{key}/lost"] = 1.0
                continue
            if gpu.name in self._lost:
                self._lost.remove(gpu.name)
                values[f"{key}/lost"] = 0.0
            for name, value in reading.gauges.items():
                values[f"{key}/{name}"] = value
            for name, count in reading.counters.items():
                if (rate := self._rates.rate(f"{key}/{name}", count, now_s)) is not None:
                    values[f"{key}/{name}"] = rate / MB
        for event in self._new_events():
            values[f"system/gpu.{event.gpu}/{event.name}"] = float(event.code)
            self._events.append(event)
        return values

    def take_events(self) -> list[Event]:
        """What has happened since the last call, for alerts."""
        events, self._events = self._events, []
        return events

    def processes(self) -> dict[str, dict[int, int]]:
        """Bytes used by process id, by GPU's name."""
        return {gpu.name: _or_nothing(gpu.processes) for gpu in self.gpus if gpu.name not in self._lost}

    def close(self) -> None:
        """Lets go of the drivers."""
        for library in self._libraries:
            library.close()

    def _lose(self, gpu: Gpu, why: str, now_s: float) -> None:
        self._lost_until_s[gpu.name] = now_s + _ASK_A_LOST_ONE_EVERY_S
        self._rates.forget(f"system/gpu.{gpu.name}/")
        if gpu.name not in self._lost:
            self._lost.add(gpu.name)
            self._events.append(Event(gpu.name, "lost", 1, why))

    def _new_events(self) -> list[Event]:
        return [event for library in self._libraries for event in library.events()]


def find_gpus(openers: Iterable[Callable[[], GpuLibrary | None]] | None = None) -> GpuSource | None:
    """Opens the libraries that are installed and have a driver; None if there is no GPU. Never raises."""
    if openers is None:
        from runstream.forward.amd import open_amd
        from runstream.forward.nvidia import open_nvidia

        openers = (open_nvidia, open_amd)
    libraries: list[GpuLibrary] = []
    for opener in openers:
        try:
            library = opener()
        except Exception:  # a library that cannot be loaded is one that is not there
            continue
        if library is not None:
            libraries.append(library)
    try:
        source = GpuSource(libraries)
    except Exception:
        return None
    return source if source.gpus else None


def _or_nothing(ask: Callable[[], dict[int, int]]) -> dict[int, int]:
    try:
        return ask()
    except Exception:
        return {}
