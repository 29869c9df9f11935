"""What files of /proc and /sys say, as numbers. Pure but for ``read_file``."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

SECTOR_BYTES = 512  # of /proc/diskstats, whatever the device's own
MB = 1e6


class Process(NamedTuple):
    """One process, from ``/proc/PID/stat``. A pid and its start name it for good: pids are used again."""

    parent: int
    own_ticks: int
    children_ticks: int  # of children that ended and were waited for
    threads: int
    start_ticks: int
    rss_pages: int


def parse_process(text: str) -> Process:
    """Reads ``/proc/PID/stat``; the name in it may hold blanks and parentheses."""
    fields = text[text.rindex(")") + 2 :].split()
    return Process(
        parent=int(fields[1]),
        own_ticks=int(fields[11]) + int(fields[12]),
        children_ticks=int(fields[13]) + int(fields[14]),
        threads=int(fields[17]),
        start_ticks=int(fields[19]),
        rss_pages=int(fields[21]),
    )


def parse_cpu(text: str) -> tuple[int, int]:
    """Reads ``/proc/stat``: busy ticks and all ticks of all processors. Guests' time is in the users' already."""
    user, nice, system, idle, iowait, irq, softirq, steal = (int(word) for word in text.split(None, 9)[1:9])
    busy = user + nice + system + irq + softirq + steal
    return busy, busy + idle + iowait


def parse_meminfo(text: str) -> dict[str, int]:
    """Reads ``/proc/meminfo``: bytes by name."""
    sizes = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            sizes[name] = int(words[0]) * (1024 if len(words) > 1 else 1)
    return sizes


def parse_disks(text: str, is_counted: Callable[[str], bool]) -> tuple[int, int]:
    """Reads ``/proc/diskstats``: bytes read and written by the devices that count."""
    read = written = 0
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 10 and is_counted(fields[2]):
            read += int(fields[5])
            written += int(fields[9])
    return read * SECTOR_BYTES, written * SECTOR_BYTES


def parse_network(text: str) -> dict[str, tuple[int, int]]:
    """Reads ``/proc/net/dev``: bytes received and sent by interface."""
    counts = {}
    for line in text.splitlines():
        name, colon, rest = line.rpartition(":")  # an alias has a colon in its name
        fields = rest.split()
        if colon and len(fields) >= 9 and fields[0].isdigit():
            counts[name.strip()] = int(fields[0]), int(fields[8])
    return counts


def parse_io(text: str) -> tuple[int, int]:
    """Reads ``/proc/PID/io``: bytes that reached or came from storage, read and written."""
    counts = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return int(counts["read_bytes"]), int(counts["write_bytes"])


def read_file(path: str) -> str:
    """The whole of a small file. A third of the cost of ``Path.read_text``."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(fd, 1 << 16):
            parts.append(part)
    finally:
        os.close(fd)
    return b"".join(parts).decode("ascii", "replace")
