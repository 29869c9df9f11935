"""A batch of the stream to columns and rows, or refusals that name field, limit and count. Pure.

A block is refused alone: the other blocks and the records of its batch are stored. Bytes of any content give
an answer, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ingest.decode_records import MAX_TIME_MS, decode_record
from ingest.decoded import Bad, Decoded
from ingest.keys import KeySet, KeysUnknown, StreamKeys
from runstream.names import MAX_KEY_BYTES
from runstream.store.history_values import value_rows
from runstream.store.points import PointBlock
from runstream.store.records import WriterIdentity, refusal_row
from runstream.v1 import ingest_pb2, record_pb2
from runstream.wire import column, contents


def decode(batch: ingest_pb2.Batch, who: WriterIdentity, keys: StreamKeys, *, max_points: int) -> Decoded:
    """Reads a batch.

    Args:
        batch: the message; its range of sequences is sound.
        who: the writer.
        keys: the stream's keys by number, extended by the batch's.
        max_points: most points in a batch, and most lines of output.
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
        except Bad as bad:
            _refuse(result, batch, bad, len(block.values))
        room -= len(block.values)
    for record in batch.records:
        try:
            refused = decode_record(record, who, result, max(room - len(result.values), 0))
            for part in refused:
                _refuse(result, batch, part, part.count)
        except Bad as bad:
            _refuse(result, batch, bad, bad.count)
        room -= len(record.console.lines)
    result.rows += value_rows(who.place, result.values)
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
        raise Bad(record_pb2.REFUSAL_REASON_MALFORMED, "block", "a block needs at least one key and one row")
    lengths = (len(block.timestamps_ms), len(block.seq_offsets), len(block.values))
    if lengths != (row_count, row_count, key_count * row_count):
        message = f"{key_count} keys and {row_count} rows need {row_count} times and offsets and "
        message += f"{key_count * row_count} values, not {lengths[0]}, {lengths[1]} and {lengths[2]}"
        raise Bad(record_pb2.REFUSAL_REASON_MALFORMED, "block", message)
    if len(block.values) > room:
        message = f"the limit of a batch is {room} more points, the block has {len(block.values)}"
        raise Bad(record_pb2.REFUSAL_REASON_TOO_LARGE, "block", message)
    try:
        key_set = keys.key_set(block.key_ids, columns["key_ids"])
    except KeysUnknown as error:
        raise Bad(record_pb2.REFUSAL_REASON_MALFORMED, "key_ids", str(error)) from error
    times = column(columns["timestamps_ms"], "<i8")
    if times.min() < 0 or times.max() > MAX_TIME_MS:
        message = f"times must be 0 to {MAX_TIME_MS} ms since 1970, not {times.min()} to {times.max()}"
        raise Bad(record_pb2.REFUSAL_REASON_OUT_OF_RANGE, "timestamps_ms", message)
    offsets = column(columns["seq_offsets"], "<u4").astype(np.uint64)
    if int(offsets.max()) > batch.last_seq_inclusive - batch.first_seq:
        message = f"offset {offsets.max()} is past the batch's last sequence {batch.last_seq_inclusive}"
        raise Bad(record_pb2.REFUSAL_REASON_MALFORMED, "seq_offsets", message)
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
        bad = Bad(record_pb2.REFUSAL_REASON_KEY_CHARACTERS, "key", message)
        _refuse(result, batch, bad, key_set.malformed * len(block.steps))
    if key_set.past_limit:
        message = f"{key_set.past_limit} keys are past the limit of {keys.limit} different keys a stream"
        bad = Bad(record_pb2.REFUSAL_REASON_TOO_MANY_KEYS, "key", message)
        _refuse(result, batch, bad, key_set.past_limit * len(block.steps))


def _refuse(result: Decoded, batch: ingest_pb2.Batch, bad: Bad, count: int) -> None:
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
