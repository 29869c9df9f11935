"""Auxiliary spools of system metrics: whose there are, what is in them, when they end."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from support.processes import wait_until
from support.programs import read_spools

from runstream.forward import system
from runstream.forward.gpus import Event
from runstream.forward.system import SystemMetrics
from runstream.forward.tail import read_identity
from runstream.spool.clock import wall_us
from runstream.spool.writer import SpoolWriter
from runstream.v1 import record_pb2

XID = Event("0", "xid", 79, "has fallen off the bus")


class Sampler:
    """Says one thing of each rank, and that rank 0's GPU had an XID at first."""

    def __init__(self) -> None:
        self.ranks: dict[int, int] = {}
        self.events = [(0, XID)]

    def add(self, rank: int, pid: int) -> None:
        self.ranks[rank] = pid

    def remove(self, rank: int) -> None:
        self.ranks.pop(rank, None)

    def sample(self, now_s: float) -> dict[int, dict[str, float]]:
        return {rank: {"system/cpu": float(pid)} for rank, pid in self.ranks.items()}

    def take_events(self) -> list[tuple[int, Event]]:
        events, self.events = (self.events, []) if self.ranks else ([], self.events)
        return events


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Sampler:
    made = Sampler()
    monkeypatch.setattr(system, "_BEGIN_AFTER_S", 0.0)
    monkeypatch.setattr(system, "_open_sampler", lambda: made)
    return made


def writer(run_dir: Path, name: str, **changes: Any) -> SpoolWriter:
    who = {
        "entity": "",
        "project": "p",
        "run": "r",
        "attempt": 1,
        "rank": 0,
        "world_size": 2,
        "writer": name,
        "forwarder": "own",
        "host": socket.gethostname(),
        "process_id": os.getpid(),
        "started_us": wall_us() - 100_000_000,
    }
    return SpoolWriter(run_dir / name, who | changes)


def auxiliaries(run_dir: Path) -> list[Path]:
    return sorted(path for path in run_dir.iterdir() if path.name.endswith("-system"))


def looking(metrics: SystemMetrics, run_dir: Path) -> Callable[[], bool]:
    return lambda: metrics.look([path.name for path in run_dir.iterdir()])


def test_each_living_rank_of_this_host_has_one_that_ends_with_it(tmp_path: Path, sampler: Sampler) -> None:
    trainers = [writer(tmp_path, f"w{rank}", rank=rank, process_id=100 + rank) for rank in range(2)]
    elsewhere = writer(tmp_path, "other", rank=2, host="elsewhere")
    writer(tmp_path, "gone", rank=3).close()
    metrics = SystemMetrics(tmp_path, 15.0)
    look = looking(metrics, tmp_path)
    assert not look()
    wait_until(lambda: len(auxiliaries(tmp_path)) == 2)
    assert all(read_identity(path).is_auxiliary for path in auxiliaries(tmp_path))
    trainers[0].close()
    assert look()
    assert not look()
    trainers[1].close()
    assert look()
    metrics.stop()
    elsewhere.close()
    spools = [spool for spool in read_spools(tmp_path) if spool.identity.get("auxiliary")]
    assert sorted(spool.identity["rank"] for spool in spools) == [0, 1]
    for spool in spools:
        assert spool.end == {"state": "RUN_STATE_FINISHED"}
        step, values = spool.rows[0]
        assert 100 <= step < 160
        assert values == {"system/cpu": 100.0 + spool.identity["rank"]}
    (first,) = [spool for spool in spools if spool.identity["rank"] == 0]
    (alert,) = [record["alert"] for record in first.records if "alert" in record]
    said = json_format.ParseDict({"alert": alert}, record_pb2.Record()).alert
    assert (said.title, said.text, said.level) == ("GPU 0: XID 79", XID.message, record_pb2.Alert.LEVEL_ERROR)


def test_a_new_attempt_has_one_of_its_own_and_a_forked_child_none(tmp_path: Path, sampler: Sampler) -> None:
    first = writer(tmp_path, "w1", process_id=1)
    child = writer(tmp_path, "w2", process_id=2, started_us=wall_us())
    metrics = SystemMetrics(tmp_path, 15.0)
    look = looking(metrics, tmp_path)
    look()
    wait_until(lambda: len(auxiliaries(tmp_path)) == 1)
    assert sampler.ranks == {0: 1}
    first.close()
    assert not look()  # the child lives, and is the rank now
    wait_until(lambda: sampler.ranks == {0: 2})
    second = writer(tmp_path, "w3", attempt=2, process_id=3)
    assert look()
    wait_until(lambda: len(auxiliaries(tmp_path)) == 2)
    metrics.stop()
    for each in (child, second):
        each.close()
    names = sorted(path.name[:5] for path in auxiliaries(tmp_path))
    assert names == ["r0-a1", "r0-a2"]


def test_what_cannot_be_read_is_no_process_of_the_run(tmp_path: Path, sampler: Sampler) -> None:
    broken = writer(tmp_path, "w1", process_id="x")
    (tmp_path / "w2").mkdir()
    (tmp_path / "w2" / "writer.json").write_text(json.dumps([]))
    metrics = SystemMetrics(tmp_path, 15.0)
    assert not looking(metrics, tmp_path)()
    metrics.stop()
    broken.close()
    assert auxiliaries(tmp_path) == []
