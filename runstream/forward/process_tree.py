"""What a training process and all its descendants use."""

from __future__ import annotations

import os
import time

from runstream.forward.proc import MB, Process, parse_io, parse_process, read_file
from runstream.forward.rates import Rates

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SCAN_REST = 200  # looking through all processes of a machine may take a two-hundredth of a core


class ProcessTree:
    """Samples a process tree.

    CPU time is what the living have used since the last sample, and what the dead left to their parents less
    what they had been counted for. Memory is resident memory: pages that workers share count once each. (PSS
    would not, but reading it takes a lock of the process's memory, so it would hold up training.)

    Args:
        pid: the root.
        proc: where procfs is.
    """

    def __init__(self, pid: int, proc: str = "/proc") -> None:
        self.pid = pid
        self._proc = proc
        self._rates = Rates()
        self._before: dict[tuple[int, int], Process] = {}
        self._io_before: dict[tuple[int, int], tuple[int, int]] = {}
        self._sampled_s = 0.0
        self._root: tuple[int, int] | None = None
        self._has_children_files = os.path.exists(f"{proc}/self/task/{os.getpid()}/children")
        self._parents: dict[int, int] = {}
        self._next_scan_s = 0.0

    def sample(self, now_s: float) -> dict[str, float]:
        """Returns values by key; none if the process has gone. Rates need two samples."""
        now = self._look()
        root = next(iter(now), None)
        self._root = self._root or root
        if root is None or root[0] != self.pid or root != self._root:  # gone, or its pid is another's now
            return {}
        values: dict[str, float] = {
            "system/memory_rss_mb": sum(process.rss_pages for process in now.values()) * _PAGE_BYTES / MB,
            "system/processes": float(len(now)),
            "system/threads": float(sum(process.threads for process in now.values())),
        }
        io_now = self._look_io(now)
        elapsed = now_s - self._sampled_s
        if self._before and elapsed > 0:
            values["system/cpu"] = 100 * used_ticks(self._before, now) / _TICKS_PER_S / elapsed
            if io_now:
                read, written = moved_bytes(self._io_before, io_now)
                values["system/disk/read_mb_s"] = read / MB / elapsed
                values["system/disk/write_mb_s"] = written / MB / elapsed
        self._before, self._io_before, self._sampled_s = now, io_now, now_s
        return values

    def pids(self) -> list[int]:
        """The processes of the last sample."""
        return [pid for pid, _ in self._before]

    def _look(self) -> dict[tuple[int, int], Process]:
        found: dict[tuple[int, int], Process] = {}
        if not self._has_children_files:
            self._scan()
        waiting, seen = [self.pid], {self.pid}
        while waiting:
            pid = waiting.pop()
            try:
                process = parse_process(read_file(f"{self._proc}/{pid}/stat"))
            except (OSError, ValueError, IndexError):  # it has just ended
                continue
            found[pid, process.start_ticks] = process
            for child in self._children(pid):
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)
        return found

    def _look_io(self, processes: dict[tuple[int, int], Process]) -> dict[tuple[int, int], tuple[int, int]]:
        found: dict[tuple[int, int], tuple[int, int]] = {}
        for pid, start in processes:
            try:
                found[pid, start] = parse_io(read_file(f"{self._proc}/{pid}/io"))
            except (OSError, ValueError, KeyError):  # ended, or somebody else's
                continue
        return found

    def _children(self, pid: int) -> list[int]:
        if not self._has_children_files:
            return [child for child, parent in self._parents.items() if parent == pid]
        children: list[int] = []
        try:
            for thread in os.listdir(f"{self._proc}/{pid}/task"):  # a child belongs to the thread that made it
                children += map(int, read_file(f"{self._proc}/{pid}/task/{thread}/children").split())
        except (OSError, ValueError):
            pass
        return children

    def _scan(self) -> None:
        """Where the kernel does not list children: looks at every process, the less often the more there are."""
        started = time.monotonic()
        if started < self._next_scan_s:
            return
        parents: dict[int, int] = {}
        for name in os.listdir(self._proc):
            if name.isdigit():
                try:
                    parents[int(name)] = parse_process(read_file(f"{self._proc}/{name}/stat")).parent
                except (OSError, ValueError, IndexError):
                    continue
        self._parents = parents
        ended = time.monotonic()
        self._next_scan_s = ended + (ended - started) * _SCAN_REST


def used_ticks(before: dict[tuple[int, int], Process], now: dict[tuple[int, int], Process]) -> int:
    """CPU time used between two looks at a tree. Pure."""
    own = left = 0
    for name, process in now.items():
        last = before.get(name)
        own += process.own_ticks - (last.own_ticks if last else 0)
        left += process.children_ticks - (last.children_ticks if last else 0)
    counted = sum(last.own_ticks + last.children_ticks for name, last in before.items() if name not in now)
    return max(0, own) + max(0, left - counted)


def moved_bytes(
    before: dict[tuple[int, int], tuple[int, int]], now: dict[tuple[int, int], tuple[int, int]]
) -> tuple[int, int]:
    """Bytes read and written between two looks; the kernel adds a dead child's to its parent's. Pure."""
    read, written = (sum(count[way] for count in now.values()) for way in (0, 1))
    read_before, written_before = (sum(count[way] for count in before.values()) for way in (0, 1))
    return max(0, read - read_before), max(0, written - written_before)
