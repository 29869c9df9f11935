"""A batch of the stream to columns and rows, or refusals that name field, limit and count. Pure.

A block is refused alone: the other blocks and the records of its batch are stored. Bytes of any content give
an answer, never an exception.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ingest.keys import KeySet, KeysUnknown, StreamKeys
from runstream.documents import MAX_DEPTH
from runstream.names import MAX_KEY_BYTES
from runstream.store.points import PointBlock
from runstream.store.records import Row, WriterIdentity, document_row, refusal_row, run_row
from runstream.v1 import common_pb2, ingest_pb2, record_pb2
from runstream.wire import column, contents

MAX_DOCUMENT_BYTES = 4 << 20
MAX_TEXT_CHARS = 65_536
MAX_TAGS = 1000
# What ClickHouse's DateTime64(3) holds: 1900 to 2299; a clock before 1970 is a broken one.
MAX_TIME_MS = 10_413_791_999_999

_WRITER_STATES = frozenset(common_pb2.RunState.values()) - {common_pb2.RUN_STATE_UNSPECIFIED}
_DOCUMENT_KINDS = {record_pb2.Document.KIND_CONFIG: "config", record_pb2.Document.KIND_SUMMARY: "summary"}


@dataclass
class Decoded:
    """What a batch holds."""

    blocks: list[PointBlock] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    refusals: list[ingest_pb2.Refusal] = field(default_factory=list)
    """One for each reason and field, with the sum of its points: so are the rows of ``refusals`` told apart."""
    writer_state: record_pb2.WriterState | None = None
    receipt: record_pb2.Receipt | None = None
    time_us: int = 0

    @property
    def points(self) -> int:
        """Number of values."""
        return sum(block.points for block in self.blocks)


class _Bad(Exception):
    def __init__(self, reason: record_pb2.RefusalReason.ValueType, where: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.field, self.message = reason, where, message


def decode(batch: ingest_pb2.Batch, who: WriterIdentity, keys: StreamKeys, *, max_points: int) -> Decoded:
    """Reads a batch.

    Args:
        batch: the message; its range of sequences is sound.
        who: the writer.
        keys: the stream's keys by number, extended by the batch's.
        max_points: most points in a batch.
    """
    result = Decoded()
    for definition in batch.new_keys:
        keys.define(definition)
    room = max_points
    for block in batch.blocks:
        try:
            columns = contents(block)
            for decoded in _blocks(block, columns, batch, who, keys, room):
                result.blocks.append(decoded)
            _refuse_bad_keys(result, block, keys.key_set(block.key_ids, columns["key_ids"]), batch, keys)
        except _Bad as bad:
            _refuse(result, batch, bad, len(block.values))
        room -= len(block.values)
    for record in batch.records:
        try:
            _read_record(record, who, result)
        except _Bad as bad:
            _refuse(result, batch, bad, 0)
    for refusal in result.refusals:
        result.rows.append(
            refusal_row(who, refusal.last_seq_inclusive, refusal.reason, refusal.field, refusal.message, refusal.count)
        )
    return result


def _blocks(
    block: record_pb2.Block,
    columns: Mapping[str, bytes],
    batch: ingest_pb2.Batch,
    who: WriterIdentity,
    keys: StreamKeys,
    room: int,
) -> Iterator[PointBlock]:
    key_count, row_count = len(block.key_ids), len(block.steps)
    if not key_count or not row_count:
        raise _Bad(record_pb2.REFUSAL_REASON_MALFORMED, "block", "a block needs at least one key and one row")
    lengths = (len(block.timestamps_ms), len(block.seq_offsets), len(block.values))
    if lengths != (row_count, row_count, key_count * row_count):
        message = f"{key_count} keys and {row_count} rows need {row_count} times and offsets and "
        message += f"{key_count * row_count} values, not {lengths[0]}, {lengths[1]} and {lengths[2]}"
        raise _Bad(record_pb2.REFUSAL_REASON_MALFORMED, "block", message)
    if len(block.values) > room:
        message = f"the limit of a batch is {room} more points, the block has {len(block.values)}"
        raise _Bad(record_pb2.REFUSAL_REASON_TOO_LARGE, "block", message)
    try:
        key_set = keys.key_set(block.key_ids, columns["key_ids"])
    except KeysUnknown as error:
        raise _Bad(record_pb2.REFUSAL_REASON_MALFORMED, "key_ids", str(error)) from error
    times = column(columns["timestamps_ms"], "<i8")
    if times.min() < 0 or times.max() > MAX_TIME_MS:
        message = f"times must be 0 to {MAX_TIME_MS} ms since 1970, not {times.min()} to {times.max()}"
        raise _Bad(record_pb2.REFUSAL_REASON_OUT_OF_RANGE, "timestamps_ms", message)
    offsets = column(columns["seq_offsets"], "<u4").astype(np.uint64)
    if int(offsets.max()) > batch.last_seq_inclusive - batch.first_seq:
        message = f"offset {offsets.max()} is past the batch's last sequence {batch.last_seq_inclusive}"
        raise _Bad(record_pb2.REFUSAL_REASON_MALFORMED, "seq_offsets", message)
    values = column(columns["values"], "<f8").reshape(key_count, row_count)
    if len(key_set.places) < key_count:
        values = values[key_set.places]
    if key_set.places:
        steps = column(columns["steps"], "<i8")
        yield PointBlock(who.place, key_set.names, steps, times, offsets + np.uint64(batch.first_seq), values)


def _refuse_bad_keys(
    result: Decoded, block: record_pb2.Block, key_set: KeySet, batch: ingest_pb2.Batch, keys: StreamKeys
) -> None:
    if key_set.malformed:
        message = f"{key_set.malformed} keys are not 1 to {MAX_KEY_BYTES} bytes long, contain control characters, or "
        message += "share their id with another key"
        bad = _Bad(record_pb2.REFUSAL_REASON_KEY_CHARACTERS, "key", message)
        _refuse(result, batch, bad, key_set.malformed * len(block.steps))
    if key_set.past_limit:
        message = f"{key_set.past_limit} keys are past the limit of {keys.limit} different keys a stream"
        bad = _Bad(record_pb2.REFUSAL_REASON_TOO_MANY_KEYS, "key", message)
        _refuse(result, batch, bad, key_set.past_limit * len(block.steps))


def _read_record(record: record_pb2.Record, who: WriterIdentity, result: Decoded) -> None:
    kind = record.WhichOneof("kind")
    result.time_us = max(result.time_us, record.time_us)
    if kind == "run":
        texts = (record.run.display_name, record.run.group, record.run.job_type, record.run.notes)
        if len(record.run.tags.values) > MAX_TAGS:
            raise _Bad(record_pb2.REFUSAL_REASON_TOO_LARGE, "run", f"a run has at most {MAX_TAGS} tags")
        if max(map(len, (*texts, *record.run.tags.values)), default=0) > MAX_TEXT_CHARS:
            raise _Bad(record_pb2.REFUSAL_REASON_TOO_LARGE, "run", f"a text has over {MAX_TEXT_CHARS} characters")
        result.rows.append(run_row(who, record.run, record.time_us))
    elif kind == "document":
        result.rows.append(_document(record, who))
    elif kind == "writer":
        if record.writer.state not in _WRITER_STATES:
            raise _Bad(record_pb2.REFUSAL_REASON_MALFORMED, "writer.state", f"no such state: {record.writer.state}")
        result.writer_state = record.writer
    elif kind == "refused":
        refused = record.refused
        field, message = refused.field[:MAX_KEY_BYTES], refused.message[:MAX_TEXT_CHARS]
        result.rows.append(refusal_row(who, record.seq, refused.reason, field, message, refused.count))
    elif kind == "receipt":
        result.receipt = record.receipt


def _document(record: record_pb2.Record, who: WriterIdentity) -> Row:
    document = record.document
    kind = _DOCUMENT_KINDS.get(document.kind)
    if kind is None:
        raise _Bad(record_pb2.REFUSAL_REASON_MALFORMED, "document.kind", "kind must be config or summary")
    size = len(document.json.encode())
    if size > MAX_DOCUMENT_BYTES:
        message = f"{kind} has {size} bytes of JSON, the limit is {MAX_DOCUMENT_BYTES}"
        raise _Bad(record_pb2.REFUSAL_REASON_TOO_LARGE, kind, message)
    try:
        parsed: Any = json.loads(document.json, parse_constant=_no_constant, parse_int=_integer, parse_float=_real)
        if not isinstance(parsed, dict):
            raise ValueError("it is no object")
        if not _is_shallow(document.json, parsed):
            raise ValueError(f"it is nested over {MAX_DEPTH} deep")
        text = json.dumps(_one_value_a_path(parsed, "", set()), ensure_ascii=False)
        text.encode()  # a lone surrogate, written as an escape, has no UTF-8
    except (ValueError, OverflowError, RecursionError) as error:
        message = f"{kind} is no JSON object: {error}"
        raise _Bad(record_pb2.REFUSAL_REASON_MALFORMED, kind, message) from error
    return document_row(who, kind, text, document.json, record.time_us)


def _is_shallow(text: str, parsed: Any) -> bool:
    """Whether readers can take it: protobuf's parsers go 100 messages deep, which are 33 JSON objects."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return True  # without looking at 4 MiB of it again
    level = [parsed]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return True
    return False


def _one_value_a_path(value: Any, path: str, seen: set[str]) -> Any:
    """``{"a.b": 1, "a": {"b": 2}}`` says one path of a JSON column twice, which ClickHouse refuses: the first stays.

    The column is for filters; what is given back is the text as it came.
    """
    if isinstance(value, list):
        return [_one_value_a_path(item, "", set()) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        inner = path + key
        if not isinstance(item, dict):
            if inner in seen:
                continue
            seen.add(inner)
        kept[key] = _one_value_a_path(item, inner + ".", seen)
    return kept


def _integer(digits: str) -> int:
    number = int(digits)
    float(number)  # raises for what no reader could hold
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise OverflowError(f"{digits[:40]} is no 64-bit float")
    return number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _refuse(result: Decoded, batch: ingest_pb2.Batch, bad: _Bad, count: int) -> None:
    for refusal in result.refusals:
        if (refusal.reason, refusal.field) == (bad.reason, bad.field):
            refusal.count += count
            return
    result.refusals.append(
        ingest_pb2.Refusal(
            first_seq=batch.first_seq,
            last_seq_inclusive=batch.last_seq_inclusive,
            reason=bad.reason,
            field=bad.field,
            message=bad.message,
            count=count,
        )
    )
