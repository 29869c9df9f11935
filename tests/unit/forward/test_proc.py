"""Files of /proc and /sys, real ones compared with psutil and made-up ones."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from runstream.forward import proc
from runstream.forward.cgroup import Cgroup, parse_groups
from runstream.forward.infiniband import InfiniBand
from runstream.forward.machine import Machine
from runstream.forward.process_tree import moved_bytes, used_ticks

_TICKS = os.sysconf("SC_CLK_TCK")


def _process(own: int, children: int = 0) -> proc.Process:
    return proc.Process(1, own, children, 1, 0, 0)


def test_a_process_is_read_as_psutil_reads_it() -> None:
    found = proc.parse_process(proc.read_file(f"/proc/{os.getpid()}/stat"))
    expected = psutil.Process()
    times = expected.cpu_times()
    assert found.parent == expected.ppid()
    assert found.threads == expected.num_threads()
    assert found.own_ticks / _TICKS == pytest.approx(times.user + times.system, abs=0.2)
    assert found.children_ticks / _TICKS == pytest.approx(times.children_user + times.children_system, abs=0.2)
    assert found.rss_pages * os.sysconf("SC_PAGE_SIZE") == pytest.approx(expected.memory_info().rss, rel=0.1)
    assert found.start_ticks / _TICKS + psutil.boot_time() == pytest.approx(expected.create_time(), abs=2)


def test_a_process_may_have_any_name() -> None:
    text = "7 (a) b (c) R 3 7 7 0 -1 0 0 0 0 0 11 12 13 14 20 0 5 0 999 4096 77 1 1"
    assert proc.parse_process(text) == proc.Process(3, 23, 27, 5, 999, 77)


def test_the_machine_is_read_as_psutil_reads_it() -> None:
    memory = psutil.virtual_memory()
    sizes = proc.parse_meminfo(proc.read_file("/proc/meminfo"))
    assert sizes["MemTotal"] == memory.total
    assert sizes["MemAvailable"] == pytest.approx(memory.available, rel=0.2)
    busy, total = proc.parse_cpu(proc.read_file("/proc/stat"))
    times = psutil.cpu_times()
    assert (total - busy) / _TICKS == pytest.approx(times.idle + times.iowait, rel=0.01)
    assert busy / _TICKS == pytest.approx(sum(times[:3]) + sum(times[5:8]), rel=0.01)
    counts = proc.parse_network(proc.read_file("/proc/net/dev"))
    expected = psutil.net_io_counters(pernic=True)
    assert counts.keys() == expected.keys()
    for name, (received, sent) in counts.items():
        assert received == pytest.approx(expected[name].bytes_recv, rel=0.05, abs=1e6)
        assert sent == pytest.approx(expected[name].bytes_sent, rel=0.05, abs=1e6)
    disks = psutil.disk_io_counters(perdisk=True)
    for name in disks:
        read, written = proc.parse_disks(proc.read_file("/proc/diskstats"), {name}.__contains__)
        assert read == pytest.approx(disks[name].read_bytes, rel=0.05, abs=1e6)
        assert written == pytest.approx(disks[name].write_bytes, rel=0.05, abs=1e8)
    read, written = proc.parse_io(proc.read_file("/proc/self/io"))
    counters = psutil.Process().io_counters()
    assert (read, written) == pytest.approx((counters.read_bytes, counters.write_bytes), rel=0.2, abs=1e6)


def test_time_of_the_living_the_new_and_the_dead_is_counted_once() -> None:
    before = {(1, 0): _process(100), (2, 0): _process(50)}
    assert used_ticks(before, {(1, 0): _process(130), (2, 0): _process(60), (3, 0): _process(5)}) == 45
    # Process 2 used 20 more, died and was waited for: its whole time came to its parent.
    assert used_ticks(before, {(1, 0): _process(100, children=70)}) == 20
    # It died and nobody waited.
    assert used_ticks(before, {(1, 0): _process(110)}) == 10
    # Its pid is another's now.
    assert used_ticks(before, {(1, 0): _process(100, children=50), (2, 9): _process(3)}) == 3


def test_bytes_of_the_dead_stay_with_their_parents() -> None:
    assert moved_bytes({(1, 0): (10, 0), (2, 0): (5, 7)}, {(1, 0): (25, 9)}) == (10, 2)
    assert moved_bytes({(1, 0): (10, 0), (2, 0): (5, 7)}, {(1, 0): (10, 0)}) == (0, 0)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _machine(folder: Path, *, cpu: str, sectors: int, eth0: int) -> Machine:
    _write(
        folder,
        {
            "proc/stat": f"cpu  {cpu}\ncpu0 1 2 3\n",
            "proc/loadavg": "2.50 1 1 2/300 99\n",
            "proc/meminfo": "MemTotal: 1000 kB\nMemAvailable: 250 kB\nSwapTotal: 100 kB\nSwapFree: 40 kB\nOdd: 3\n",
            "proc/diskstats": f"259 0 nvme0n1 1 0 {sectors} 0 1 0 {2 * sectors} 0 0 0 0\n"
            f"259 1 nvme0n1p1 1 0 {sectors} 0 1 0 9 0 0 0 0\n253 0 dm-0 1 0 {sectors} 0 1 0 9 0 0 0 0\n",
            "proc/net/dev": "Inter-| Receive\n face |bytes packets\n"
            f"    lo: {eth0} 1 0 0 0 0 0 0 {eth0} 1 0 0 0 0 0 0\n  eth0:{eth0} 1 0 0 0 0 0 0 {3 * eth0} 1 0 0 0 0 0 0\n"
            f"  br0: {eth0} 1 0 0 0 0 0 0 {eth0} 1 0 0 0 0 0 0\n",
            "sys/block/nvme0n1/device/model": "",
            "sys/class/net/eth0/device/vendor": "",
        },
    )  # fmt: skip
    return Machine(str(folder / "proc"), str(folder / "sys"))


def test_a_machine_is_sampled_without_counting_anything_twice(tmp_path: Path) -> None:
    node = _machine(tmp_path, cpu="100 0 100 800 0 0 0 0 0 0", sectors=0, eth0=0)
    assert node.sample(0.0) == {
        "system/node/load_1m": 2.5,
        "system/node/memory_percent": 75,
        "system/node/memory_available_mb": 0.256,
        "system/node/swap_used_mb": pytest.approx(0.06144),
    }
    _machine(tmp_path, cpu="200 0 150 900 25 0 0 25 50 0", sectors=20_000, eth0=4_000_000)
    values = node.sample(2.0)
    assert values["system/node/cpu"] == pytest.approx(100 * 175 / 300)
    assert values["system/node/disk/read_mb_s"] == pytest.approx(5.12)
    assert values["system/node/disk/write_mb_s"] == pytest.approx(10.24)
    assert values["system/network/received_mb_s"] == 2
    assert values["system/network/sent_mb_s"] == 6


def test_a_container_has_virtual_interfaces_alone(tmp_path: Path) -> None:
    for count in (0, 4_000_000):
        node = node if count else _machine(tmp_path, cpu="1 0 0 0 0 0 0 0", sectors=0, eth0=0)  # noqa: F821
        (tmp_path / "proc/net/dev").write_text(f"lo: 9 1 0 0 0 0 0 0 9 1\neth0: {count} 1 0 0 0 0 0 0 0 1\n")
        (tmp_path / "sys/class/net/eth0/device/vendor").unlink(missing_ok=True)
        if (tmp_path / "sys/class/net/eth0/device").exists():
            (tmp_path / "sys/class/net/eth0/device").rmdir()
        values = node.sample(float(count))
    assert values["system/network/received_mb_s"] == 1e-6


def test_infiniband_ports(tmp_path: Path) -> None:
    port = "class/infiniband/mlx5_0/ports/1"
    down = "class/infiniband/mlx5_1/ports/1"
    second = "class/infiniband/mlx5_0/ports/2"
    for words in (0, 1_000_000):
        counters = {"port_rcv_data": words, "port_xmit_data": 2 * words, "symbol_error": 3, "link_downed": 1}
        for path in (port, second):
            _write(tmp_path, {f"{path}/counters/{name}": f"{count}\n" for name, count in counters.items()})
            _write(tmp_path, {f"{path}/state": "4: ACTIVE\n"})
    _write(tmp_path, {f"{down}/state": "1: DOWN\n", f"{down}/counters/port_rcv_data": "5"})
    source = InfiniBand(str(tmp_path))
    source.sample(0.0)
    _write(tmp_path, {f"{port}/counters/port_rcv_data": "2000000", f"{port}/counters/port_xmit_data": "N/A"})
    values = source.sample(2.0)
    assert values == {
        "system/infiniband/mlx5_0/rx_mb_s": 2,
        "system/infiniband/mlx5_0/symbol_errors": 3,
        "system/infiniband/mlx5_0/link_downed": 1,
        "system/infiniband/mlx5_0.2/rx_mb_s": 0,
        "system/infiniband/mlx5_0.2/tx_mb_s": 0,
        "system/infiniband/mlx5_0.2/symbol_errors": 3,
        "system/infiniband/mlx5_0.2/link_downed": 1,
    }
    assert InfiniBand("/nonexistent").sample(0.0) == {}


def test_a_containers_limits(tmp_path: Path) -> None:
    _write(
        tmp_path,
        {
            "proc/7/cgroup": "0::/job\n",
            "cgroup/job/memory.current": "3000000\n",
            "cgroup/job/memory.max": "12000000\n",
            "cgroup/job/memory.events": "low 0\noom 2\noom_kill 1\n",
            "cgroup/job/cpu.stat": "usage_usec 5\nthrottled_usec 100\n",
        },
    )
    group = Cgroup(7, str(tmp_path / "proc"), str(tmp_path / "cgroup"))
    group.sample(0.0)
    _write(tmp_path, {"cgroup/job/cpu.stat": "throttled_usec 500100\n"})
    assert group.sample(1.0) == {
        "system/cgroup/memory_mb": 3,
        "system/cgroup/memory_percent": 25,
        "system/cgroup/oom_kills": 1,
        "system/cgroup/cpu_throttled": 50,
    }
    _write(tmp_path, {"cgroup/job/memory.max": "max\n"})
    assert "system/cgroup/memory_percent" not in group.sample(2.0)


def test_a_containers_limits_of_the_older_kind(tmp_path: Path) -> None:
    files = {
        "memory.usage_in_bytes": "5000000",
        "memory.limit_in_bytes": "10000000",
        "memory.oom_control": "oom_kill 0",
    }
    _write(tmp_path, {f"cgroup/memory/{name}": text for name, text in files.items()})
    _write(tmp_path, {"proc/7/cgroup": "4:memory:/docker/abc\n1:cpu,cpuacct:/x:y\n"})
    assert Cgroup(7, str(tmp_path / "proc"), str(tmp_path / "cgroup")).sample(0.0) == {
        "system/cgroup/memory_mb": 5,
        "system/cgroup/memory_percent": 50,
        "system/cgroup/oom_kills": 0,
    }
    assert parse_groups("1:cpu,cpuacct:/x:y\n") == {"cpu": "/x:y", "cpuacct": "/x:y"}
    assert Cgroup(8, "/nonexistent", "/nonexistent").sample(0.0) == {}
