"""Reads a writer's spool from any sequence on, while it grows or after its writer has gone.

Yields what was written in its order, a chunk at a time: rows grouped by key set, and records. What cannot
be read is answered as damage with its count of sequences, never skipped silently. Owns no knowledge of acks.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from runstream.spool.frame import BODY_HEADER, FRAME_HEADER, SEGMENT_HEADER, Kind, read_segment_header
from runstream.spool.rows import Rows, read_rows
from runstream.spool.scan import Frames, Stop, scan

READ_BYTES = 4 << 20
_DOUBTS = 40


@dataclass
class Chunk:
    """A contiguous range of a writer's sequence."""

    first_seq: int
    last_seq_inclusive: int
    rows: list[Rows] = field(default_factory=list)
    records: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    damaged_bytes: int = 0
    """Bytes around the range that could not be read."""
    lost_seqs: int = 0
    """Sequences before the range that were in damaged bytes."""

    @property
    def points(self) -> int:
        """Values in all rows."""
        return sum(rows.points for rows in self.rows)


class SpoolReader:
    """A position in a writer's segments.

    Args:
        directory: the writer's directory.
        after_seq: sequence after which to begin; what is at or before it is skipped.
    """

    def __init__(self, directory: Path, *, after_seq: int = 0) -> None:
        self.directory = directory
        self._after_seq = after_seq
        self._next_seq = 1
        self._fd = -1
        self._segment = 0
        self._offset = 0
        self._schemas: dict[int, tuple[str, ...]] = {}
        self._is_damaged = False
        self._doubts = 0
        self._lost_seqs = 0
        self._torn_bytes = 0
        self._next_path = ""
        self._seen_bytes = -1
        """Size of the segment when nothing more could be read of it; -1 if that may change without its growing."""

    def has_more(self) -> bool:
        """Whether ``read`` may find something; two stat calls, where ``read`` lists the directory."""
        if self._fd < 0 or self._seen_bytes < 0:
            return True
        has_grown = not self._is_damaged and os.fstat(self._fd).st_size != self._seen_bytes
        return has_grown or os.path.exists(self._next_path)

    def read(self, *, max_bytes: int = READ_BYTES) -> Chunk | None:
        """Returns the next whole frames, or None if there are none yet. Never blocks."""
        while self._fd >= 0 or self._open_next():
            data = b"" if self._is_damaged else os.pread(self._fd, max_bytes, self._offset)
            frames, used, stop = scan(data)
            if not frames and stop is Stop.TORN and len(data) == max_bytes:
                max_bytes *= 4  # a frame larger than the window
                continue
            damaged_bytes = self._confirm_damage(len(data) - used) if stop is Stop.DAMAGED and not frames else 0
            if frames or damaged_bytes:
                self._offset += used
                chunk = self._decode(data, frames)
                chunk.damaged_bytes += damaged_bytes
                if chunk.last_seq_inclusive >= chunk.first_seq or damaged_bytes:
                    return chunk
                continue
            if not self._has_next():
                in_doubt = stop is Stop.DAMAGED and not self._is_damaged
                self._seen_bytes = -1 if in_doubt else self._offset + len(data)
                return None
            # A next segment means that this one grows no more; what came between our read and the look at the
            # folder is read before moving on, and a tail that is torn now stays torn.
            if not self._is_damaged and os.fstat(self._fd).st_size > self._offset + len(data):
                continue
            if not self._is_damaged:
                self._torn_bytes += len(data) - used
            self._close()
        return None

    def acked_segments(self, acked_seq_inclusive: int) -> list[Path]:
        """Closed segments whose every frame is acked; they may be deleted."""
        segments = [(number, path) for number, path in _segments(self.directory) if number <= self._segment]
        acked = []
        for (_, path), (_, following) in itertools.pairwise(segments):
            with following.open("rb") as file:
                if read_segment_header(file.read(SEGMENT_HEADER.size)) <= acked_seq_inclusive + 1:
                    acked.append(path)
        return acked

    def close(self) -> None:
        """Closes the open segment."""
        self._close()

    def _confirm_damage(self, unread_bytes: int) -> int:
        """Counts a damaged place only when it stays so: on some file systems a size shows before its bytes."""
        self._doubts += 1
        if self._doubts < _DOUBTS and not self._has_next():
            return 0
        self._is_damaged = True
        return max(unread_bytes, 1)

    def _decode(self, data: bytes, frames: list[Frames]) -> Chunk:
        count = sum(each.n for each in frames)
        first = max(self._next_seq, self._after_seq + 1)
        chunk = Chunk(first, self._next_seq + count - 1, lost_seqs=self._lost_seqs)
        # A torn end that cost nothing is what a full disk leaves behind.
        chunk.damaged_bytes = self._torn_bytes if self._lost_seqs else 0
        self._lost_seqs = self._torn_bytes = 0
        rows_of: dict[int, tuple[list[Frames], list[int]]] = {}
        for each in frames:
            seq, self._next_seq = self._next_seq, self._next_seq + each.n
            text = slice(each.start + BODY_HEADER.size, each.start + each.size)
            if each.kind == Kind.SCHEMA:
                self._schemas[each.schema] = tuple(cast(list[str], json.loads(data[text])))
            elif self._next_seq <= first:
                continue  # known to be acked
            elif each.kind == Kind.RECORD:
                chunk.records.append((seq, json.loads(data[text])))
            elif each.kind == Kind.ROW:
                known = max(0, first - seq)
                groups, seqs = rows_of.setdefault(each.schema, ([], []))
                groups.append(_without_first(each, known))
                seqs.append(seq + known)
        chunk.rows = [read_rows(data, self._schemas[schema], *found) for schema, found in rows_of.items()]
        return chunk

    def _open_next(self) -> bool:
        for number, path in _segments(self.directory):
            if number <= self._segment:
                continue
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            header = os.pread(fd, SEGMENT_HEADER.size, 0)
            if len(header) < SEGMENT_HEADER.size:
                os.close(fd)
                return False  # being made
            first_seq = read_segment_header(header)
            self._lost_seqs += max(0, first_seq - max(self._next_seq, self._after_seq + 1))
            self._next_seq = first_seq
            self._is_damaged, self._doubts = False, 0
            self._fd, self._segment, self._offset = fd, number, SEGMENT_HEADER.size
            self._schemas = {}
            self._seen_bytes = -1
            self._next_path = str(self.directory / f"{number + 1:08d}.spool")
            return True
        return False

    def _has_next(self) -> bool:
        return any(number > self._segment for number, _ in _segments(self.directory))

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _without_first(frames: Frames, count: int) -> Frames:
    return frames._replace(start=frames.start + count * (FRAME_HEADER.size + frames.size), n=frames.n - count)


def _segments(directory: Path) -> Iterator[tuple[int, Path]]:
    """The segments by number."""
    found = [(int(path.stem), path) for path in directory.glob("*.spool")]
    yield from sorted(found)
