"""Who tells what, how often, and what a failure costs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_nvml import FakeGpu, FakeNvml
from support.processes import ROOT, wait_until

from runstream.forward.gpus import Event, GpuSource
from runstream.forward.nvidia import NvidiaLibrary
from runstream.forward.process_tree import ProcessTree
from runstream.forward.sampler import Sampler, Samples, Sampling, interval_s


class _Fixed:
    def __init__(self, values: dict[str, float], error: Exception | None = None) -> None:
        self.values = values
        self.error = error
        self.asked = 0

    def sample(self, now_s: float) -> dict[str, float]:
        self.asked += 1
        if self.error:
            raise self.error
        return self.values


@given(st.floats(0, 1e7), st.floats(0, 1e7), st.floats(1, 100))
def test_the_interval_grows_with_age_within_its_bounds(age: float, other: float, longest: float) -> None:
    assert 1 <= interval_s(age, longest) <= longest
    if age <= other:
        assert interval_s(age, longest) <= interval_s(other, longest)


@pytest.mark.parametrize(("age", "interval"), [(0, 1), (60, 1), (120, 2), (900, 15), (86400, 15)])
def test_the_interval(age: float, interval: float) -> None:
    assert interval_s(age) == interval


def test_ranks_tell_their_own_and_the_first_tells_the_nodes() -> None:
    gpus = [FakeGpu(0), FakeGpu(1), FakeGpu(2)]
    nvml = FakeNvml(gpus)
    sampler = Sampler(GpuSource([NvidiaLibrary(nvml)]), _Fixed({"system/node/cpu": 5}), _Fixed({}))
    with subprocess.Popen(["sleep", "60"]) as first, subprocess.Popen(["sleep", "60"]) as second:
        try:
            gpus[0].processes = {second.pid: 1 << 30}
            gpus[2].processes = {first.pid: 1 << 30}
            sampler.add(4, first.pid)
            sampler.add(5, second.pid)
            nvml.events.append((gpus[0], 31))
            values = sampler.sample(0.0)
            events = sampler.take_events()
        finally:
            first.kill()
            second.kill()
    assert {key.split("/")[1] for key in values[4] if "gpu" in key} == {"gpu.2", "gpu.1"}
    assert {key.split("/")[1] for key in values[5] if "gpu" in key} == {"gpu.0"}
    assert values[4]["system/node/cpu"] == 5
    assert "system/node/cpu" not in values[5]
    assert values[5]["system/processes"] == 1
    assert [(rank, event.code) for rank, event in events] == [(5, 31)]
    assert sampler.sample(1.0) == {}  # both have gone


def test_a_source_that_fails_is_left_out_and_then_left_alone() -> None:
    bad = _Fixed({}, OSError("gone"))
    sampler = Sampler(
        None, bad, _Fixed({"system/infiniband/x/rx_mb_s": float("nan"), "system/infiniband/x/tx_mb_s": 1})
    )
    sampler.add(0, os.getpid())
    for now in range(10):
        assert sampler.sample(float(now))[0]["system/infiniband/x/tx_mb_s"] == 1
    assert bad.asked == 3
    sampler.sample(65.0)
    assert bad.asked == 4
    assert "system/infiniband/x/rx_mb_s" not in sampler.sample(66.0)[0]


def test_nobody_to_sample_gives_nothing() -> None:
    sampler = Sampler()
    assert sampler.sample(0.0) == {}
    sampler.add(0, os.getpid())
    sampler.remove(0)
    sampler.remove(0)
    assert sampler.sample(1.0) == {}


_BUSY = """
import subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", "data = bytearray(50_000_000)\\nwhile True: pass"])
for n in range(1000):
    subprocess.run([sys.executable, "-c", "sum(range(500_000))"])
"""


def test_a_tree_uses_what_psutil_says_it_uses() -> None:
    with subprocess.Popen([sys.executable, "-c", _BUSY]) as root:
        try:
            expected = psutil.Process(root.pid)
            wait_until(lambda: len(expected.children()) >= 2)
            worker = expected.children()[0]
            wait_until(lambda: worker.memory_info().rss > 50_000_000)
            tree = ProcessTree(root.pid)
            tree.sample(time.monotonic())
            before = _used(expected)
            time.sleep(1.5)
            after = _used(expected)
            values = tree.sample(time.monotonic())
            memory = sum(one.memory_info().rss for one in (expected, worker)) / 1e6
        finally:
            for child in psutil.Process(root.pid).children():
                child.kill()
            root.kill()
    assert values["system/cpu"] == pytest.approx(100 * (after - before) / 1.5, rel=0.35, abs=20)
    assert values["system/memory_rss_mb"] == pytest.approx(memory, rel=0.4)
    assert values["system/processes"] >= 2


def _used(root: psutil.Process) -> float:
    total = sum(root.cpu_times()[:4])
    for child in root.children():
        with_children = child.cpu_times()
        total += with_children.user + with_children.system
    return total


def test_a_pid_that_is_anothers_now_is_not_sampled(tmp_path: Path) -> None:
    def write(start: int) -> None:
        (tmp_path / "7").mkdir(exist_ok=True)
        (tmp_path / "7" / "stat").write_text(f"7 (x) R 1 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 {start} 4096 77 1 1")

    write(100)
    tree = ProcessTree(7, str(tmp_path))
    assert tree.sample(0.0)["system/processes"] == 1
    write(200)
    assert tree.sample(1.0) == {}


def test_children_are_found_with_and_without_the_kernels_lists(tmp_path: Path) -> None:
    for pid, parent in ((7, 1), (8, 7), (9, 8), (10, 1)):
        (tmp_path / str(pid) / "task" / str(pid)).mkdir(parents=True)
        (tmp_path / str(pid) / "stat").write_text(
            f"{pid} (x) R {parent} 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 5 4096 77 1"
        )
        children = {7: "8", 8: "9"}.get(pid, "")
        (tmp_path / str(pid) / "task" / str(pid) / "children").write_text(children)
    scanned = ProcessTree(7, str(tmp_path))
    scanned.sample(0.0)
    assert sorted(scanned.pids()) == [7, 8, 9]
    (tmp_path / "self").symlink_to("7")
    (tmp_path / "7" / "task" / str(os.getpid())).mkdir(exist_ok=True)
    (tmp_path / "7" / "task" / str(os.getpid()) / "children").write_text("")
    listed = ProcessTree(7, str(tmp_path))
    listed.sample(0.0)
    assert sorted(listed.pids()) == [7, 8, 9]


def test_the_thread_samples_and_a_source_that_hangs_is_left_behind() -> None:
    seen: list[Samples] = []
    over = threading.Event()

    class Hanging:
        def sample(self, now_s: float) -> dict[str, float]:
            if seen:
                over.wait(60)
            return {"system/node/cpu": 1.0}

    def emit(samples: Samples, events: list[tuple[int, Event]]) -> None:
        seen.append(samples)

    sampling = Sampling(lambda: Sampler(None, Hanging()), emit)
    sampling.add(0, os.getpid())
    sampling.start()
    wait_until(lambda: seen)
    assert seen[0][0]["system/node/cpu"] == 1.0
    sampling.add(1, os.getpid())
    sampling.remove(1)
    sampling.stop()
    over.set()


def test_every_key_is_documented_and_every_documented_key_is_there(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "system-metrics.md").read_text()
    documented = set(re.findall(r"^\| `(system/[^`]+)`", text, re.MULTILINE))
    code = "".join(path.read_text() for path in sorted((ROOT / "runstream" / "forward").glob("*.py")))
    for key in documented:
        last = key.rsplit("/", 1)[1]
        assert last in code or last.replace("received", "{way}").replace("sent", "{way}") in code, key
    gpu = FakeGpu(0)
    nvml = FakeNvml([gpu])
    sampler = Sampler(GpuSource([NvidiaLibrary(nvml)]))
    sampler.add(0, os.getpid())
    sampler.sample(time.monotonic())
    nvml.events.append((gpu, 13))
    time.sleep(0.05)
    found = {re.sub(r"gpu\.[^/]+", "gpu.N", key) for key in sampler.sample(time.monotonic())[0]}
    assert found - documented == set()
    assert {"system/cpu", "system/node/cpu", "system/gpu.N/nvlink_tx_mb_s", "system/network/sent_mb_s"} <= found
