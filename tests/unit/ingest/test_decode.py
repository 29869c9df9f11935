"""Any message gives columns or a refusal that names field, limit and count; never an exception."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import decode
from ingest.decode_records import MAX_DOCUMENT_BYTES, MAX_TEXT_CHARS
from ingest.keys import StreamKeys
from runstream.store.points import Place
from runstream.store.records import WriterIdentity
from runstream.v1 import ingest_pb2, record_pb2

WHO = WriterIdentity(Place(1, 2, 3, 4), "e", "p", "r", "w", 1, "host", 5, 6)
GOOD: dict[str, Any] = {"key_ids": [1, 2], "steps": [5, 6], "timestamps_ms": [9, 9], "seq_offsets": [0, 1],
                        "values": [1, 2, 3, 4]}  # fmt: skip


def batch(*blocks: dict[str, Any], records: list[record_pb2.Record] | None = None) -> ingest_pb2.Batch:
    return ingest_pb2.Batch(
        first_seq=10,
        last_seq_inclusive=20,
        new_keys=[ingest_pb2.KeyDefinition(id=1, key="a"), ingest_pb2.KeyDefinition(id=2, key="b")],
        blocks=[record_pb2.Block(**block) for block in blocks],
        records=records or [],
    )


def test_a_good_block_becomes_columns() -> None:
    decoded = decode(batch(GOOD), WHO, StreamKeys(1000), max_points=100)
    (block,) = decoded.blocks
    assert (block.keys, block.steps.tolist(), block.vers.tolist()) == (("a", "b"), [5, 6], [10, 11])
    assert block.values.tolist() == [[1, 2], [3, 4]]
    assert (decoded.points, decoded.refusals) == (4, [])


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"key_ids": []}, "MALFORMED", "block"),
        ({"steps": []}, "MALFORMED", "block"),
        ({"values": [1, 2, 3]}, "MALFORMED", "block"),
        ({"timestamps_ms": [9]}, "MALFORMED", "block"),
        ({"seq_offsets": [0, 1, 2]}, "MALFORMED", "block"),
        ({"seq_offsets": [0, 11]}, "MALFORMED", "seq_offsets"),
        ({"key_ids": [1, 1]}, "MALFORMED", "key_ids"),
        ({"key_ids": [1, 9]}, "MALFORMED", "key_ids"),
        ({"key_ids": [0, 1]}, "MALFORMED", "key_ids"),
        ({"timestamps_ms": [9, -1]}, "OUT_OF_RANGE", "timestamps_ms"),
        ({"timestamps_ms": [9, 1 << 62]}, "OUT_OF_RANGE", "timestamps_ms"),
    ],
)
def test_a_bad_block_is_refused_alone(change: dict[str, Any], reason: str, field: str) -> None:
    bad = {**GOOD, **change}
    decoded = decode(batch(GOOD, bad, GOOD), WHO, StreamKeys(1000), max_points=100)
    assert len(decoded.blocks) == 2
    (refusal,) = decoded.refusals
    assert record_pb2.RefusalReason.Name(refusal.reason) == f"REFUSAL_REASON_{reason}"
    assert (refusal.field, refusal.count) == (field, len(bad["values"]))
    assert (refusal.first_seq, refusal.last_seq_inclusive) == (10, 20)
    assert [row["reason"] for table, row in decoded.rows if table == "refusals"] == [reason]


def test_more_points_than_a_batch_may_have_are_refused_with_the_limit() -> None:
    decoded = decode(batch(GOOD, GOOD), WHO, StreamKeys(1000), max_points=6)
    (refusal,) = decoded.refusals
    assert decoded.points == 4
    assert "limit" in refusal.message
    assert refusal.count == 4


@pytest.mark.parametrize("key", ["", "x" * 513, "ü" * 257, "a\nb", "a\u2028"])
def test_a_bad_key_costs_its_own_points_only(key: str) -> None:
    message = batch(GOOD)
    message.new_keys[1].key = key
    decoded = decode(message, WHO, StreamKeys(1000), max_points=100)
    (block,) = decoded.blocks
    assert (block.keys, block.values.tolist()) == (("a",), [[1, 2]])
    assert [refusal.count for refusal in decoded.refusals] == [2]


def document(text: str, kind: record_pb2.Document.Kind.ValueType = record_pb2.Document.KIND_CONFIG) -> Any:
    return record_pb2.Record(seq=12, time_us=7, document=record_pb2.Document(kind=kind, json=text))


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (document("[1]"), "config"),
        (document("{"), "config"),
        (document('{"a": NaN}'), "config"),
        (document("[" * 100_000), "config"),
        (document('{"a": "' + "x" * MAX_DOCUMENT_BYTES + '"}'), "config"),
        (document("{}", record_pb2.Document.KIND_UNSPECIFIED), "document.kind"),
        (record_pb2.Record(run=record_pb2.RunInfo(notes="x" * (MAX_TEXT_CHARS + 1))), "run"),
    ],
)
def test_a_bad_record_is_refused_alone(record: record_pb2.Record, field: str) -> None:
    decoded = decode(batch(GOOD, records=[record, document('{"a": 1}')]), WHO, StreamKeys(1000), max_points=100)
    assert [refusal.field for refusal in decoded.refusals] == [field]
    assert decoded.points == 4
    assert [row["doc"] for table, row in decoded.rows if table == "run_documents"] == ['{"a": 1}']


def test_an_empty_record_and_an_unknown_kind_say_nothing() -> None:
    decoded = decode(batch(records=[record_pb2.Record(seq=11)]), WHO, StreamKeys(1000), max_points=100)
    assert (decoded.rows, decoded.refusals) == ([], [])


NUMBERS = st.integers(0, (1 << 32) - 1)
STEPS = st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=4)


@given(
    st.lists(NUMBERS | st.integers(0, 3), max_size=3),
    STEPS,
    STEPS,
    st.lists(NUMBERS | st.integers(0, 5), max_size=4),
    st.lists(st.floats(), max_size=8),
)
def test_any_block_is_answered_and_every_value_accounted_for(
    key_ids: list[int], steps: list[int], times: list[int], offsets: list[int], values: list[float]
) -> None:
    message = batch(
        {"key_ids": key_ids, "steps": steps, "timestamps_ms": times, "seq_offsets": offsets, "values": values}
    )
    decoded = decode(message, WHO, StreamKeys(1000), max_points=100)
    assert decoded.points + sum(refusal.count for refusal in decoded.refusals) == len(values)


@given(st.binary(max_size=200))
def test_any_bytes_that_parse_are_answered(data: bytes) -> None:
    try:
        message = ingest_pb2.Batch.FromString(data)
    except Exception:  # grpc answers these itself
        return
    decode(message, WHO, StreamKeys(1000), max_points=100)
