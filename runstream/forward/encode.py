"""Chunks of a spool to messages of the stream. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf import json_format

from runstream.rich import row_points
from runstream.spool.reader import Chunk
from runstream.spool.rows import Rows
from runstream.v1 import ingest_pb2, record_pb2
from runstream.wire import packed

_BLOCK = record_pb2.Block.DESCRIPTOR


@dataclass
class KeyTable:
    """Which keys a stream knows, by number; a new stream begins with none."""

    ids: dict[str, int] = field(default_factory=dict)
    _last: tuple[tuple[str, ...], list[int]] = ((), [])

    def number(self, keys: tuple[str, ...], new: list[tuple[int, str]]) -> list[int]:
        """Returns the numbers of keys; those that had none are added to ``new``."""
        if keys is self._last[0]:
            return self._last[1]  # rows of one schema, again: a wide one has 100,000 keys
        numbers: list[int] = []
        for key in keys:
            known = self.ids.get(key)
            if known is None:
                known = self.ids[key] = len(self.ids) + 1
                new.append((known, key))
            numbers.append(known)
        self._last = (keys, numbers)
        return numbers


def encode(chunk: Chunk, keys: KeyTable, *, max_points: int, urgent: bool = False) -> Iterator[ingest_pb2.Batch]:
    """Turns a chunk into batches of at most about ``max_points`` values, in order of their sequence.

    A batch is a contiguous range, so a chunk is cut where a range is full; a single row is never cut.
    """
    for first, last in _ranges(chunk, max_points):
        new: list[tuple[int, str]] = []
        batch = ingest_pb2.Batch(first_seq=first, last_seq_inclusive=last, urgent=urgent)
        for rows in chunk.rows:
            low, high = np.searchsorted(rows.seqs, [first, last + 1])
            if low < high:
                batch.blocks.append(_block(rows, int(low), int(high), first, keys.number(rows.keys, new)))
        for seq, record in chunk.records:
            if first <= seq <= last:
                batch.records.append(to_record(seq, record))
        batch.new_keys.extend(ingest_pb2.KeyDefinition(id=number, key=key) for number, key in new)
        yield batch


def to_record(seq: int, record: dict[str, Any]) -> record_pb2.Record:
    """A spooled record as a message; fields of a newer version are left out.

    One that is no Record at all becomes the refusal that says so, in its place in the sequence.
    """
    message = record_pb2.Record()
    try:
        json_format.ParseDict(record, message, ignore_unknown_fields=True)
    except Exception as error:  # whatever a parser of foreign JSON may raise
        kinds = ", ".join(sorted(record))[:200].encode(errors="replace").decode()
        damaged = record_pb2.REFUSAL_REASON_SPOOL_DAMAGED
        text = f"a record of the spool cannot be read: {type(error).__name__}"
        message = record_pb2.Record(refused=record_pb2.Refused(reason=damaged, field=kinds, message=text))
    message.seq = seq
    return message


def batch_points(batch: ingest_pb2.Batch) -> int:
    """Values in a batch, numbers or not."""
    rows = (row_points(record.history.json) for record in batch.records if record.HasField("history"))
    return sum(len(block.values) for block in batch.blocks) + sum(rows)


def _ranges(chunk: Chunk, max_points: int) -> Iterator[tuple[int, int]]:
    """Cuts a chunk's range into contiguous ones that each hold about ``max_points``."""
    if chunk.points <= max_points:
        yield chunk.first_seq, chunk.last_seq_inclusive
        return
    size = chunk.last_seq_inclusive - chunk.first_seq + 1
    points = np.zeros(size, np.int64)
    for rows in chunk.rows:
        points[rows.seqs - chunk.first_seq] = len(rows.keys)
    part = np.cumsum(points) // max_points
    starts = np.flatnonzero(np.diff(part, prepend=-1))
    ends = np.append(starts[1:], size) - 1
    for start, end in zip(starts, ends, strict=True):
        yield chunk.first_seq + int(start), chunk.first_seq + int(end)


def _block(rows: Rows, low: int, high: int, first_seq: int, key_ids: list[int]) -> record_pb2.Block:
    block = record_pb2.Block(key_ids=key_ids)
    block.MergeFromString(
        packed(_BLOCK, "steps", rows.steps[low:high])
        + packed(_BLOCK, "timestamps_ms", rows.times_ms[low:high])
        + packed(_BLOCK, "values", rows.values[low:high].T)
        + packed(_BLOCK, "seq_offsets", (rows.seqs[low:high] - first_seq).astype("<u4"))
    )
    return block
