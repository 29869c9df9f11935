"""Frames to rows and records. Pure: knows sequences and schemas of a segment, not files.

Answers for any frames whatever: what has a right checksum and still no sense, a schema that is no list of keys, a
row of an unknown schema, a kind of a later version, is counted by its sequence and never returned as a value.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runstream.spool.frame import BODY_HEADER, FRAME_HEADER, Kind, row_struct
from runstream.spool.rows import Rows, read_rows
from runstream.spool.scan import Frames


@dataclass
class Chunk:
    """A contiguous range of a writer's sequence; empty where it only tells of damage."""

    first_seq: int
    last_seq_inclusive: int
    rows: list[Rows] = field(default_factory=list)
    records: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    damaged_bytes: int = 0
    """Bytes around the range that could not be read."""
    lost_seqs: int = 0
    """Sequences before the range that were in damaged bytes."""
    senseless: list[tuple[int, int]] = field(default_factory=list)
    """Sequences within the range that mean nothing to this reader: the first and how many."""

    @property
    def points(self) -> int:
        """Values in all rows."""
        return sum(rows.points for rows in self.rows)

    def senseless_between(self, first_seq: int, last_seq_inclusive: int) -> int:
        """How many sequences of a part of the range mean nothing."""
        return sum(max(0, min(seq + n - 1, last_seq_inclusive) - max(seq, first_seq) + 1) for seq, n in self.senseless)


class Decoder:
    """Where a reader stands: the next sequence, and the schemas of the segment.

    Args:
        after_seq: sequence after which to begin; what is at or before it is known to be acked and left out.
    """

    def __init__(self, after_seq: int) -> None:
        self.after_seq = after_seq
        self.next_seq = 1
        self._schemas: dict[int, tuple[str, ...]] = {}

    @property
    def next_new_seq(self) -> int:
        """The first sequence that is yet to come and not acked."""
        return max(self.next_seq, self.after_seq + 1)

    def begin_segment(self, first_seq: int) -> int:
        """Goes on at a segment's first sequence; returns how many before it are missing."""
        lost = max(0, first_seq - self.next_new_seq)
        self.next_seq = first_seq
        self._schemas = {}
        return lost

    def decode(self, data: bytes, frames: Sequence[Frames]) -> Chunk:
        """Reads the next frames; the chunk may hold views of ``data``."""
        first = self.next_new_seq
        chunk = Chunk(first, self.next_seq + sum(each.n for each in frames) - 1)
        rows_of: dict[int, tuple[tuple[str, ...], list[Frames], list[int]]] = {}
        for each in frames:
            seq, self.next_seq = self.next_seq, self.next_seq + each.n
            body = data[each.start + BODY_HEADER.size : each.start + each.size] if each.kind != Kind.ROW else b""
            if each.kind == Kind.SCHEMA:
                keys = _keys(body)
                if keys is not None:
                    self._schemas[each.schema] = keys
                    continue
                self._schemas.pop(each.schema, None)  # its rows must not be taken for those of another schema
            if self.next_seq <= first:
                continue  # known to be acked
            if each.kind == Kind.RECORD and (record := _record(body)) is not None:
                chunk.records.append((seq, record))
                continue
            known = max(0, first - seq)
            if each.kind == Kind.ROW:
                schema = self._schemas.get(each.schema)
                if schema is not None and row_struct(len(schema)).size == each.size:
                    _, groups, seqs = rows_of.setdefault(id(schema), (schema, [], []))
                    groups.append(_without_first(each, known))
                    seqs.append(seq + known)
                    continue
            chunk.senseless.append((seq + known, each.n - known))
        chunk.rows = [read_rows(data, *found) for found in rows_of.values()]
        return chunk


def _keys(text: bytes) -> tuple[str, ...] | None:
    try:
        keys = json.loads(text.decode())
        if not isinstance(keys, list) or not keys:
            return None
        "\0".join(keys).encode()  # raises unless all of them are strings of valid Unicode
    except (ValueError, TypeError, RecursionError):
        return None
    return tuple(keys)


def _record(text: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _without_first(frames: Frames, count: int) -> Frames:
    return frames._replace(start=frames.start + count * (FRAME_HEADER.size + frames.size), n=frames.n - count)
