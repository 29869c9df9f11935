"""Which files of a writer's directory are its segments, and which only bear such a name.

A file counts by its header, not by its name: people and tools put files anywhere, disks damage the first block as
well as any other. Only regular files are opened, so a pipe or a link to elsewhere holds nobody up.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from runstream.spool.frame import SEGMENT_HEADER, NewerVersion, read_segment_header, segment_header

_NAME = re.compile(r"(?:[0-9]{8}|[1-9][0-9]{8,17})\.spool", re.ASCII)


class Segment(NamedTuple):
    """A file with a sound header."""

    number: int
    path: Path
    first_seq: int


class Unsound(NamedTuple):
    """A file with a segment's name and no sound header."""

    number: int
    path: Path
    size: int
    is_beginning: bool
    """The first bytes of a header: being made, or left so by a writer that was killed there."""
    newer: NewerVersion | None


def find_segments(directory: Path, *, after: int = 0) -> tuple[list[Segment], list[Unsound]]:
    """The files with numbers above ``after``, in their order."""
    sound, unsound = [], []
    for number, path in sorted(_named(directory)):
        if number <= after:
            continue
        found = _look(number, path)
        if isinstance(found, Segment):
            sound.append(found)
        elif found is not None:
            unsound.append(found)
    return sound, unsound


def has_file_after(directory: Path, number: int) -> bool:
    """Whether any file bears a segment's name with a higher number; cheaper than looking at their headers."""
    return any(found > number for found, _ in _named(directory))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = open_segment(path)
    try:
        yield fd
    finally:
        os.close(fd)


def open_segment(path: Path) -> int:
    """Opens a regular file for reading. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{path} is no regular file")
    return fd


def _look(number: int, path: Path) -> Segment | Unsound | None:
    size, is_beginning, newer = 0, False, None
    try:
        with _opened(path) as fd:
            size = os.fstat(fd).st_size
            header = os.pread(fd, SEGMENT_HEADER.size, 0)
        is_beginning = len(header) < SEGMENT_HEADER.size and segment_header(1)[:4].startswith(header[:4])
        return Segment(number, path, read_segment_header(header))
    except FileNotFoundError:
        if not path.is_symlink():
            return None  # acked and deleted meanwhile
    except NewerVersion as error:
        newer = error
    except (OSError, ValueError):
        pass
    return Unsound(number, path, size, is_beginning, newer)


def _named(directory: Path) -> Iterator[tuple[int, Path]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name):
                yield int(entry.name[: -len(".spool")]), Path(entry.path)
