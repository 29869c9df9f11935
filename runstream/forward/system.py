"""System metrics of a run's processes on this node, as ordinary points of auxiliary writers.

    writers of the run ─► which ranks live here ─► Sampling, a thread ─► a spool a rank ─► tailed like any other

So crash safety, sending them later and storing them once are what every spool has. An auxiliary spool ends with the
rank's process: it keeps no ``finish()`` waiting and no forwarder alive. What a killed forwarder leaves, the next one
sends and closes, and begins its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstream.spool.clock import wall_us
from runstream.spool.places import AUXILIARY, WRITER_FILE, WRITER_LOCK, is_locked

if TYPE_CHECKING:  # loaded when there is something to sample: a run of a second does not pay for it
    from runstream.forward.gpus import Event
    from runstream.forward.sampler import Sampler, Samples, Sampling
    from runstream.spool.writer import SpoolWriter

_BEGIN_AFTER_S = 1.0
# An hour's outage is 1 MB; this is months.
_SPOOL_MAX_BYTES = 64 << 20


@dataclass
class _Sampled:
    """A living process of the run, and the spool of what is sampled of it; None before the first sample."""

    who: Mapping[str, Any]
    spool: SpoolWriter | None = None


class SystemMetrics:
    """Samples the ranks of one run's directory whose processes live here.

    guards: ``_lock`` guards ``_sampled`` and its spools, which the sampling thread fills.

    Args:
        run_dir: the run's directory, whose only forwarder this is.
        longest_s: the longest interval.
    """

    def __init__(self, run_dir: Path, longest_s: float) -> None:
        self._run_dir = run_dir
        self._longest_s = longest_s
        self._begin_at = time.monotonic() + _BEGIN_AFTER_S
        self._known: set[str] = set()
        self._living: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()
        self._sampled: dict[int, _Sampled] = {}
        self._sampling: Sampling | None = None
        self._started_at = 0.0

    def look(self, names: Iterable[str]) -> bool:
        """Begins with processes that have come and ends those that have gone. Called a few times a second.

        Args:
            names: of all writers' directories that were found so far.

        Returns whether a spool has ended, which somebody then waits for.
        """
        if time.monotonic() < self._begin_at:
            return False
        for name in names:
            if name not in self._known:
                self._known.add(name)
                if (who := _read_trainer(self._run_dir / name)) is not None and who["host"] == socket.gethostname():
                    self._living[name] = who
        self._living = {name: who for name, who in self._living.items() if is_locked(self._lock_of(name))}
        wanted = _one_a_rank(self._living.values())
        if self._sampling is None:
            if not wanted:
                return False
            self._sampling = self._start(wanted)
        with self._lock:
            return self._change_to(wanted, self._sampling)

    def stop(self) -> None:
        """Ends it, and all spools. A sample under way is dropped."""
        if self._sampling is not None:
            with self._lock:
                self._change_to({}, self._sampling)
            self._sampling.stop(0)

    def _lock_of(self, name: str) -> Path:
        return self._run_dir / name / WRITER_LOCK

    def _start(self, wanted: Mapping[int, Mapping[str, Any]]) -> Sampling:
        from runstream.forward.sampler import Sampling

        now_s = wall_us() / 1e6
        self._started_at = time.monotonic() - max(0.0, now_s - _first_start_us(self._run_dir) / 1e6)
        age_s = max(0.0, now_s - min(who["started_us"] for who in wanted.values()) / 1e6)
        sampling = Sampling(_open_sampler, self._emit, self._longest_s, age_s)
        sampling.start()
        return sampling

    def _change_to(self, wanted: Mapping[int, Mapping[str, Any]], sampling: Sampling) -> bool:
        has_ended = False
        for rank, sampled in list(self._sampled.items()):
            who = wanted.get(rank)
            if who is not None and who["attempt"] == sampled.who["attempt"]:
                continue
            sampling.remove(rank)
            has_ended |= sampled.spool is not None
            _end(self._sampled.pop(rank).spool)
        for rank, who in wanted.items():
            before = self._sampled.get(rank)
            if before is None or before.who["writer"] != who["writer"]:
                sampling.add(rank, who["process_id"])
                self._sampled[rank] = _Sampled(who, before.spool if before else None)
        return has_ended

    def _emit(self, samples: Samples, events: list[tuple[int, Event]]) -> None:
        """Takes a sample to the spools; on the sampling thread."""
        step, time_ms = int(time.monotonic() - self._started_at), time.time_ns() // 1_000_000
        alerts: dict[int, list[Event]] = {}
        for rank, event in events:
            alerts.setdefault(rank, []).append(event)
        with self._lock:
            spools = []
            for rank in samples.keys() | alerts.keys():
                if rank in self._sampled:  # it may have gone meanwhile
                    spool = self._spool(self._sampled[rank])
                    _append(spool, samples.get(rank, {}), step, time_ms, alerts.get(rank, ()))
                    spools.append(spool)
        for spool in spools:
            spool.sync()

    def _spool(self, sampled: _Sampled) -> SpoolWriter:
        if sampled.spool is None:
            from runstream.spool.writer import SpoolWriter

            writer = f"{os.urandom(6).hex()}-system"
            who = {**sampled.who, "writer": writer, "process_id": os.getpid(), "started_us": wall_us(), AUXILIARY: True}
            directory = self._run_dir / f"r{who['rank']}-a{who['attempt']}-{writer}"
            try:
                sampled.spool = SpoolWriter(directory, who, max_bytes=_SPOOL_MAX_BYTES)
            except OSError:  # a full disk: the next sample tries again, under another name
                shutil.rmtree(directory, ignore_errors=True)
                raise
        return sampled.spool


def _open_sampler() -> Sampler:
    from runstream.forward.gpus import find_gpus
    from runstream.forward.sampler import Sampler

    return Sampler(find_gpus())


def _append(spool: SpoolWriter, values: dict[str, float], step: int, time_ms: int, events: Iterable[Event]) -> None:
    with spool.lock:
        if values:
            spool.append_row(values, step, time_ms)
        for event in events:
            what = f"XID {event.code}" if event.name == "xid" else event.name
            alert = {"title": f"GPU {event.gpu}: {what}", "text": event.message, "level": "LEVEL_ERROR"}
            spool.append_record({"alert": alert})
        spool.flush_refusals()


def _end(spool: SpoolWriter | None) -> None:
    if spool is not None:
        with spool.lock:
            spool.append_record({"writer": {"state": "RUN_STATE_FINISHED"}})
        spool.close()


def _one_a_rank(living: Iterable[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """The process to sample of each rank: of the newest attempt the first, of which forked ones descend."""
    order = sorted(living, key=lambda who: (-who["attempt"], who["started_us"]))
    return {who["rank"]: who for who in reversed(order)}


def _read_trainer(directory: Path) -> Mapping[str, Any] | None:
    """Who a process of the run is; None for auxiliary writers and where it cannot be read."""
    try:
        who = json.loads((directory / WRITER_FILE).read_text("utf-8"))
        numbers = [who[name] for name in ("attempt", "rank", "process_id", "started_us")]
        is_sound = all(type(number) is int for number in numbers) and {"host", "writer"} <= who.keys()
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return who if is_sound and not who.get(AUXILIARY) else None


def _first_start_us(run_dir: Path) -> int:
    """When the run began here: the start of its first writer in the directory, also of earlier attempts."""
    starts = [wall_us()]
    with contextlib.suppress(OSError):
        starts += [int(who["started_us"]) for path in run_dir.iterdir() if (who := _read_trainer(path)) is not None]
    return min(starts)
