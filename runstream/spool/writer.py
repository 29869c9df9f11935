"""Writes a writer's spool: one ``write()`` a history row, so a returned row is in the kernel (I1).

Owns the segment files, the schemas of the open segment and what to do when the disk is full. Knows nothing
of networks and never raises for trouble with the disk: what cannot be kept is counted (I3, I4).

The fast path is ``append_row``: look up the key tuple, pack, checksum, write. 2 us for 3 values; everything
else is behind an exception or a length that does not fit.
"""

from __future__ import annotations

import fcntl
import json
import operator
import os
import struct
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import SupportsIndex
from zlib import crc32

from runstream.names import MAX_KEY_BYTES, has_control_characters
from runstream.spool.clock import later_us, wall_us
from runstream.spool.frame import FRAME_HEADER, record_frame, row_struct, schema_frame, segment_header

SEGMENT_MAX_BYTES = 64 << 20
# A schema frame and a message must stay far below the wire's 64 MiB.
MAX_KEYS_PER_ROW = 100_000
_MAX_KEY_BYTES_PER_ROW = 4 << 20
# Code that logs ever new key sets must not grow the training process: a new segment forgets them.
_MAX_SCHEMAS_PER_SEGMENT = 4096
_SHOWN_KEY_CHARS = 200
_pack_header = FRAME_HEADER.pack


@dataclass(frozen=True)
class Refused:
    """Points the writer would not take, as kept in the spool and shown on the run's page."""

    reason: str
    field: str
    message: str
    count: int


class _Schema:
    """A key set of the open segment, and the last row written with it."""

    __slots__ = ("last_body", "last_seq", "number", "pack", "points", "struct")

    def __init__(self, row: struct.Struct, number: int, points: int) -> None:
        self.struct, self.pack = row, row.pack
        self.number = number
        self.points = points
        self.last_seq = 0
        self.last_body = b""


class SpoolWriter:
    """The spool of one writer, open for appending.

    Args:
        directory: the writer's directory; must not exist.
        identity: what ``writer.json`` says of the writer.
        segment_max_bytes: size at which a new segment begins.
        now_us: the wall clock; it may jump, the times of records only rise.
    """

    def __init__(
        self,
        directory: Path,
        identity: Mapping[str, object],
        *,
        segment_max_bytes: int = SEGMENT_MAX_BYTES,
        now_us: Callable[[], int] = wall_us,
    ) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.lock = threading.Lock()
        self.sent_points = 0
        self._segment_max_bytes = segment_max_bytes
        self._now_us = now_us
        # Ingest places the open of a stream, which says "running", at the writer's start.
        self._last_us = int(str(identity.get("started_us", 0)))
        self._segment = 0
        self._fd = -1
        self._size = 0
        self._seq = 0
        self._schemas: dict[tuple[str, ...], _Schema] = {}
        self._latest: dict[str, float] = {}
        self._refused: dict[tuple[str, str], Refused] = {}
        self._lost = 0
        self.last_trouble = ""
        self._lock_fd = os.open(directory / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        _write_new_file(directory / "writer.json", json.dumps(identity).encode())
        self._next_segment()
        _open_writers.add(self)

    def append_row(self, data: Mapping[str, object], step: int, time_ms: int) -> None:
        """Appends one history row; in the kernel when this returns.

        Values that are numbers or bools are kept; others, and keys past their limits, are refused one by one
        and counted. NaN and infinities are values. The caller must hold ``lock``.
        """
        try:
            schema = self._schemas[tuple(data)]
            body = schema.pack(1, schema.number, step, time_ms, *data.values())
            row = _pack_header(len(body), crc32(body)) + body
            written = os.write(self._fd, row)
            if written == len(row):
                self._seq = schema.last_seq = self._seq + 1
                self._size += written
                self.sent_points += schema.points
                schema.last_body = body
                if self._size > self._segment_max_bytes:
                    self._next_segment()
                return
            os.ftruncate(self._fd, self._size)
            self._lose(schema.points, "disk is full")
        except KeyError:
            self._append_new_row(data, step, time_ms)
        except OSError as error:
            self._lose(len(data), error.strerror or str(error))
        except Exception:
            # A value is no number, or the step or time no 64-bit integer.
            self._append_checked_row(data, step, time_ms)

    def append_record(self, record: Mapping[str, object]) -> bool:
        """Appends a record (a runstream.v1.Record in proto3 JSON, without seq). The caller holds ``lock``.

        Returns whether it was written.
        """
        return self._append(self._record_frame(record))

    def refuse(self, reason: str, field: str, message: str, count: int) -> None:
        """Counts points that are refused before they reach the spool; written by ``flush_refusals``."""
        key = (reason, field)
        before = self._refused.get(key)
        self._refused[key] = Refused(reason, field, message, count + (before.count if before else 0))
        self.sent_points += count

    @property
    def all_sent_points(self) -> int:
        """Values handed to the writer, kept or not."""
        return self.sent_points + self._lost

    @property
    def unreported_points(self) -> int:
        """Points that were refused or found no room, and could not even be written down as such yet."""
        return self._lost + sum(entry.count for entry in self._refused.values())

    def flush_refusals(self) -> list[Refused]:
        """Writes what was refused since the last call and returns it. The caller holds ``lock``."""
        if self._lost:
            count, self._lost = self._lost, 0
            self.refuse("DISK_FULL", "", f"{count} points were not kept: no space left under {self.directory}", count)
        written = []
        for key, refused in list(self._refused.items()):
            record = {
                "reason": f"REFUSAL_REASON_{refused.reason}",
                "field": refused.field,
                "message": refused.message,
                "count": str(refused.count),
            }
            if self._append(self._record_frame({"refused": record})):
                del self._refused[key]
                written.append(refused)
        return written

    def latest(self) -> dict[str, float]:
        """The last value of each key, by the order of writing."""
        latest = dict(self._latest)
        for keys, schema in sorted(self._schemas.items(), key=lambda item: item[1].last_seq):
            if schema.last_body:
                latest.update(zip(keys, schema.struct.unpack(schema.last_body)[4:], strict=True))
        return latest

    def sync(self) -> None:
        """Makes what was written survive a power cut. Called about once a second, without ``lock``."""
        try:
            os.fdatasync(self._fd)
        except OSError:
            return  # closed or rolled meanwhile; the next call syncs the new segment

    def close(self) -> None:
        """Ends the spool: its lock is free from now on. Safe to call twice."""
        with self.lock:
            _open_writers.discard(self)
            for fd in (self._fd, self._lock_fd):
                if fd >= 0:
                    os.close(fd)
            self._fd = self._lock_fd = -1

    def abandon_after_fork(self) -> None:
        """Lets go of the files in a forked child; they are the parent's, and so is the lock on them."""
        self.lock = threading.Lock()
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock_fd = -1

    def _append_new_row(self, data: Mapping[str, object], step: int, time_ms: int) -> None:
        """Names the row's schema, then appends it; a row too wide for one frame becomes several."""
        if not data:
            return
        kept = self._without_bad_keys(data)
        for part in _narrow_enough(kept):
            keys = tuple(part)
            if keys not in self._schemas and not self._define(keys):
                self._lose(len(part), "disk is full")
                continue
            self.append_row(part, step, time_ms)

    def _define(self, keys: tuple[str, ...]) -> bool:
        if self._size > self._segment_max_bytes or len(self._schemas) >= _MAX_SCHEMAS_PER_SEGMENT:
            self._next_segment()
        schema = len(self._schemas) + 1
        if not self._append(schema_frame(schema, keys)):
            return False
        self._schemas[keys] = _Schema(row_struct(len(keys)), schema, len(keys))
        return True

    def _append_checked_row(self, data: Mapping[str, object], step: int, time_ms: int) -> None:
        """The plain twin of the fast path: looks at each value, refuses what is no number."""
        if not isinstance(step, SupportsIndex) or not -(1 << 63) <= operator.index(step) < 1 << 63:
            self.refuse("OUT_OF_RANGE", "step", f"step must be an integer of 64 bits, not {step!r:.40}", len(data))
            return
        numbers: dict[str, float] = {}
        for key, value in _flat(data):
            if key in numbers:
                self.refuse("DUPLICATE_KEY", _shown(key), "the row gives this key two values; the later one is kept", 1)
            try:
                numbers[key] = _as_number(value)
            except OverflowError:
                self.refuse("OUT_OF_RANGE", _shown(key), "value does not fit a 64-bit float", 1)
            except Exception:
                kind = type(value).__name__
                self.refuse("NOT_A_NUMBER", _shown(key), f"value must be a number or bool, not {kind}", 1)
        if numbers:
            self.append_row(numbers, step, time_ms)

    def _without_bad_keys(self, data: Mapping[str, object]) -> dict[str, object]:
        kept: dict[str, object] = {}
        for key, value in data.items():
            if not isinstance(key, str) or not key or len(key.encode(errors="replace")) > MAX_KEY_BYTES:
                size = len(key.encode(errors="replace")) if isinstance(key, str) else type(key).__name__
                message = f"key must be a string of 1 to {MAX_KEY_BYTES} bytes, this one has {size}"
                self.refuse("KEY_LENGTH", _shown(key), message, 1)
            elif has_control_characters(key):
                self.refuse("KEY_CHARACTERS", _shown(key), "key contains control characters", 1)
            else:
                kept[key] = value
        return kept

    def _record_frame(self, record: Mapping[str, object]) -> bytes:
        self._last_us = later_us(self._last_us, self._now_us())
        return record_frame({"timeUs": str(self._last_us), **record})

    def _append(self, frame: bytes) -> bool:
        try:
            written = os.write(self._fd, frame)
            if written != len(frame):
                os.ftruncate(self._fd, self._size)
                return False
        except OSError:
            return False
        self._seq += 1
        self._size += written
        return True

    def _next_segment(self) -> None:
        """Begins a new segment; if the disk has no room for one, goes on in the old one."""
        path = self.directory / f"{self._segment + 1:08d}.spool"
        header = segment_header(self._seq + 1)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError:
            if self._fd < 0:
                raise
            return
        if _write_or_zero(fd, header) != len(header):
            os.close(fd)
            path.unlink()
            if self._fd < 0:
                raise OSError(28, f"no space left for a spool under {self.directory}")
            return
        old, self._fd = self._fd, fd
        if old >= 0:
            os.close(old)
        self._segment += 1
        self._size = len(header)
        self._latest = self.latest()
        self._schemas = {}

    def _lose(self, points: int, why: str) -> None:
        """Counts points that found no room. They are reported as soon as there is room again."""
        self._lost += points
        self.last_trouble = why


def _as_number(value: object) -> float:
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError
    item = getattr(value, "item", None)  # numpy, torch, jax: the number in an array of one
    return float(item() if callable(item) else value)  # type: ignore[arg-type]


def _flat(data: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Walks nested mappings: ``{"a": {"b": 1}}`` gives ``("a.b", 1)``."""
    for key, value in data.items():
        name = prefix + key
        if isinstance(value, Mapping):
            yield from _flat(value, name + ".")
        else:
            yield name, value


def _shown(key: object) -> str:
    text = key if isinstance(key, str) and not has_control_characters(key) else ascii(key)
    return text[:_SHOWN_KEY_CHARS]


def _narrow_enough(data: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    if len(data) <= MAX_KEYS_PER_ROW and sum(map(len, data)) * 4 <= _MAX_KEY_BYTES_PER_ROW:
        yield data
        return
    part: dict[str, object] = {}
    room = _MAX_KEY_BYTES_PER_ROW
    for key, value in data.items():
        room -= len(key.encode())
        if part and (room < 0 or len(part) == MAX_KEYS_PER_ROW):
            yield part
            part, room = {}, _MAX_KEY_BYTES_PER_ROW - len(key.encode())
        part[key] = value
    if part:
        yield part


def _write_new_file(path: Path, content: bytes) -> None:
    """Builds a file under another name, then renames it: readers see all of it or nothing."""
    building = path.with_suffix(".building")
    building.write_bytes(content)
    building.rename(path)


def _write_or_zero(fd: int, data: bytes) -> int:
    try:
        return os.write(fd, data)
    except OSError:
        return 0


_open_writers: weakref.WeakSet[SpoolWriter] = weakref.WeakSet()


def _abandon_all(writers: Iterable[SpoolWriter]) -> None:
    for writer in list(writers):
        writer.abandon_after_fork()


os.register_at_fork(after_in_child=lambda: _abandon_all(_open_writers))
