"""Writes a writer's spool: one ``write()`` a history row, so a returned row is in the kernel (I1).

Owns the segment files, the schemas of the open segment and what to do when the disk or the spool's limit is
full. Knows nothing of networks and never raises for trouble with the disk: what cannot be kept is counted (I3, I4).

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
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex
from zlib import crc32

from runstream.names import MAX_KEY_BYTES, has_control_characters
from runstream.settings import Settings
from runstream.spool.clock import later_us, wall_us
from runstream.spool.frame import FRAME_HEADER, record_frame, row_struct, schema_frame, segment_header
from runstream.spool.logged import flat, narrow_enough, shown
from runstream.spool.room import Room

if TYPE_CHECKING:
    from runstream.spool.rich import RichRows

SEGMENT_MAX_BYTES = 64 << 20
# Room comes back a segment at a time, so a small spool has small segments.
_LEAST_SEGMENTS = 8
# Code that logs ever new key sets must not grow the training process: a new segment forgets them.
_MAX_SCHEMAS_PER_SEGMENT = 4096
_LIMIT = "spool_max_bytes"
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
        max_bytes: most bytes of segments in the directory, give or take a row; what is past it is dropped and counted.
        segment_max_bytes: size at which a new segment begins.
        now_us: the wall clock; it may jump, the times of records only rise.
        now: a clock that never goes back, seconds.
        after_seq: the sequence before the first one.
    """

    def __init__(
        self,
        directory: Path,
        identity: Mapping[str, object],
        *,
        after_seq: int = 0,
        max_bytes: int = Settings.spool_max_bytes,
        segment_max_bytes: int = SEGMENT_MAX_BYTES,
        now_us: Callable[[], int] = wall_us,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.lock = threading.Lock()
        self.sent_points = 0
        self._segment_max_bytes = min(segment_max_bytes, max_bytes // _LEAST_SEGMENTS)
        self._room = Room(max_bytes, now)
        self._is_full = False
        self._now_us = now_us
        # Ingest places the open of a stream, which says "running", at the writer's start.
        self._last_us = int(str(identity.get("started_us", 0)))
        self._segment = 0
        self._fd = -1
        self._size = 0
        self._seq = after_seq
        self._schemas: dict[tuple[str, ...], _Schema] = {}
        self._schemas_in_segment = 0
        self._latest: dict[str, float] = {}
        self._refused: dict[tuple[str, str], Refused] = {}
        self._lost: Counter[str] = Counter()
        self._rich: RichRows | None = None
        self.last_trouble = ""
        self._lock_fd = os.open(directory / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        _write_new_file(directory / "writer.json", json.dumps(identity).encode())
        self._next_segment()
        _open_writers.add(self)

    def append_row(self, data: Mapping[str, object], step: int, time_ms: int) -> None:
        """Appends one history row; in the kernel when this returns.

        NaN and infinities are values. Texts, media and the like are appended as a record; what cannot be kept is
        refused value by value and counted, as are keys past their limits. The caller must hold ``lock``.
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
            self._lose(schema.points)
        except KeyError:
            self._append_new_row(data, step, time_ms)
        except OSError as error:
            self._lose(len(data), error.strerror or str(error))
        except Exception:
            # A value is no number, or the step or time no 64-bit integer.
            self._append_checked_row(data, step, time_ms)

    def append_frames(self, keys: tuple[str, ...], rows: int, pack: Callable[[int], bytes]) -> bool:
        """Appends rows of a known key set, framed by ``pack(schema)``, in one write(): all or, with False, none.

        Raises KeyError for a key set that no row of the segment had. The caller holds ``lock``.
        """
        schema = self._schemas[keys]
        frames = pack(schema.number)
        if not self._append(frames, self._room.reserve):
            return False
        self._seq = schema.last_seq = self._seq + rows - 1
        self.sent_points += rows * schema.points
        schema.last_body = frames[-schema.struct.size :]
        if self._size > self._segment_max_bytes:
            self._next_segment()
        return True

    def append_record(self, record: Mapping[str, object]) -> bool:
        """Appends a record (a runstream.v1.Record in proto3 JSON, without seq). The caller holds ``lock``.

        Returns whether it was written.
        """
        # How the run ended is said in any case.
        keep_free = -self._room.reserve if "writer" in record else self._room.reserve
        return self._append(self._record_frame(record), keep_free)

    def refuse(self, reason: str, field: str, message: str, count: int) -> None:
        """Counts points that are refused before they reach the spool; written by ``flush_refusals``."""
        key = (reason, field)
        before = self._refused.get(key)
        self._refused[key] = Refused(reason, field, message, count + (before.count if before else 0))
        self.sent_points += count

    @property
    def all_sent_points(self) -> int:
        """Values handed to the writer, kept or not."""
        return self.sent_points + self._lost.total()

    @property
    def unreported_points(self) -> int:
        """Points that were refused or found no room, and could not even be written down as such yet."""
        return self._lost.total() + sum(entry.count for entry in self._refused.values())

    def flush_refusals(self) -> list[Refused]:
        """Writes what was refused since the last call and returns it. The caller holds ``lock``."""
        for field, count in self._lost.items():
            self.refuse("DISK_FULL", field, f"points were not kept: {self._why_full(field)}", count)
        self._lost.clear()
        written = []
        for key, refused in list(self._refused.items()):
            record = {
                "reason": f"REFUSAL_REASON_{refused.reason}",
                "field": refused.field,
                "message": refused.message,
                "count": str(refused.count),
            }
            if self._append(self._record_frame({"refused": record}), keep_free=0):
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
        if self._rich is not None:
            self._rich.sync()
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
        if self._is_full and not self._has_room_again():
            self._lose(sum(1 for _ in flat(data)))
            return
        kept = self._without_bad_keys(data)
        if not kept:
            return  # a frame without keys makes no sense to readers: it would be a gap
        for part in narrow_enough(kept):
            keys = tuple(part)
            if keys not in self._schemas and not self._define(keys):
                self._lose(len(part))
                continue
            self.append_row(part, step, time_ms)

    def _define(self, keys: tuple[str, ...]) -> bool:
        if self._size > self._segment_max_bytes or self._schemas_in_segment >= _MAX_SCHEMAS_PER_SEGMENT:
            self._next_segment()
        schema = self._schemas_in_segment + 1
        frame = schema_frame(schema, keys)
        self._is_full = self._is_full or not self._room.fits(self._size, len(frame), self._room.reserve)
        if self._is_full or not self._append(frame, self._room.reserve):
            return False
        self._schemas_in_segment = schema
        self._schemas[keys] = _Schema(row_struct(len(keys)), schema, len(keys))
        return True

    def _append_checked_row(self, data: Mapping[str, object], step: int, time_ms: int) -> None:
        """The plain twin of the fast path: looks at each value; what is no number goes its own way."""
        if not isinstance(step, SupportsIndex) or not -(1 << 63) <= operator.index(step) < 1 << 63:
            self.refuse("OUT_OF_RANGE", "step", f"step must be an integer of 64 bits, not {step!r:.40}", len(data))
            return
        from runstream.values.rows import split  # rows of numbers need none of it

        numbers, rich, refusals = split(data)
        for reason, field, message in refusals:
            self.refuse(reason, field, message, 1)
        if numbers:
            self.append_row(numbers, step, time_ms)
        if rich:
            written, lost = self._rich_rows().append(rich, operator.index(step), time_ms)
            self.sent_points += written
            if lost:
                self._lose(lost, self.last_trouble)

    def _rich_rows(self) -> RichRows:
        if self._rich is None:
            from runstream.spool.rich import RichRows

            self._rich = RichRows(self.directory, self.append_record, self.refuse)
        return self._rich

    def _without_bad_keys(self, data: Mapping[str, object]) -> dict[str, object]:
        kept: dict[str, object] = {}
        for key, value in data.items():
            if not isinstance(key, str) or not key or len(key.encode(errors="replace")) > MAX_KEY_BYTES:
                size = len(key.encode(errors="replace")) if isinstance(key, str) else type(key).__name__
                message = f"key must be a string of 1 to {MAX_KEY_BYTES} bytes, this one has {size}"
                self.refuse("KEY_LENGTH", shown(key), message, 1)
            elif has_control_characters(key):
                self.refuse("KEY_CHARACTERS", shown(key), "key contains control characters", 1)
            else:
                kept[key] = value
        return kept

    def _record_frame(self, record: Mapping[str, object]) -> bytes:
        self._last_us = later_us(self._last_us, self._now_us())
        return record_frame({"timeUs": str(self._last_us), **record})

    def _append(self, frame: bytes, keep_free: int) -> bool:
        if not self._room.fits(self._size, len(frame), keep_free):
            self.last_trouble = self._why_full(_LIMIT)
            return False
        try:
            written = os.write(self._fd, frame)
            if written != len(frame):
                os.ftruncate(self._fd, self._size)
                self.last_trouble = self._why_full("")
                return False
        except OSError as error:
            self.last_trouble = error.strerror or str(error)
            return False
        self._seq += 1
        self._size += written
        return True

    def _next_segment(self) -> None:
        """Begins a new segment and sees whether the limit has room for what it may hold.

        It begins in any case: only closed segments are deleted. While there is no room, no schema is known, so that
        every row comes by ``_append_new_row`` and the fast path need not know of the limit.
        """
        has_begun = self._begin_segment()
        self._is_full = not self._has_room()
        if has_begun or self._is_full:
            self._latest = self.latest()
            self._schemas = {}

    def _has_room(self) -> bool:
        return self._room.fits(self._size, self._segment_max_bytes, self._room.reserve)

    def _has_room_again(self) -> bool:
        if self._room.is_time_to_look():
            if self._size > self._segment_max_bytes:
                self._next_segment()
            self._is_full = not self._has_room()
        return not self._is_full

    def _begin_segment(self) -> bool:
        """Opens the next segment; if the disk has no room for it, the old one goes on."""
        path = self._segment_path(self._segment + 1)
        header = segment_header(self._seq + 1)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError:
            if self._fd < 0:
                raise
            return False
        if _write_or_zero(fd, header) != len(header):
            os.close(fd)
            path.unlink()
            if self._fd < 0:
                raise OSError(28, f"no space left for a spool under {self.directory}")
            return False
        old, self._fd = self._fd, fd
        if old >= 0:
            self._room.add(self._segment_path(self._segment), self._size)
            os.close(old)
        self._segment += 1
        self._size = len(header)
        self._schemas_in_segment = 0
        return True

    def _segment_path(self, number: int) -> Path:
        return self.directory / f"{number:08d}.spool"

    def _lose(self, points: int, why: str = "") -> None:
        """Counts points that found no room. They are reported as soon as there is room for that."""
        field = _LIMIT if self._is_full else ""
        self._lost[field] += points
        self.last_trouble = why or self._why_full(field)

    def _why_full(self, field: str) -> str:
        if field == _LIMIT:
            limit = f"the spool has reached {_LIMIT}, {self._room.max_bytes:,} bytes"
            return f"{limit}, as it is not sent fast enough or at all; see why, or raise the limit"
        return f"no space left under {self.directory}"


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
