"""Any messages in any order: acks only grow, every point is stored or refused, no exception but InvalidField."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.hostile import OPENS, REQUESTS
from support.sessions import check_session

from ingest.decode import decode
from ingest.decode_records import MAX_TAGS, MAX_TIME_MS
from ingest.keys import StreamKeys
from ingest.part import Outcome
from ingest.session import Session, Submit
from ingest.settings import Settings
from runstream.documents import MAX_DEPTH
from runstream.errors import InvalidField
from runstream.store.points import Place
from runstream.store.records import WriterIdentity
from runstream.v1 import ingest_pb2, record_pb2

WHO = WriterIdentity(Place(1, 2, 3, 4), "e", "p", "r", "w", 1, "host", 5, 6)
OPEN = ingest_pb2.Open(project="p", run="r", writer="w")
SETTINGS = Settings(max_batch_points=20)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(REQUESTS, max_size=6), st.lists(st.booleans(), max_size=6))
def test_any_messages_leave_every_point_stored_or_refused(
    requests: list[ingest_pb2.PublishRequest], committed: list[bool]
) -> None:
    wire = [ingest_pb2.PublishRequest.FromString(request.SerializeToString()) for request in requests]
    check_session(Session(OPEN, "e", SETTINGS), wire, iter(committed))


@given(OPENS, st.sampled_from(["e", "", "a/b", "é" * 200]))
def test_any_open_is_taken_or_refused_by_field(message: ingest_pb2.Open, entity: str) -> None:
    try:
        session = Session(message, entity, SETTINGS)
    except InvalidField as refused:
        assert refused.field in ("entity", "project", "run", "writer", "started_us")
    else:
        check_session(session, [], iter(()))


@pytest.mark.parametrize("field", [field.name for field in ingest_pb2.Open.DESCRIPTOR.fields])
def test_an_open_without_a_field_is_taken_or_refused_by_that_field(field: str) -> None:
    message = ingest_pb2.Open(entity="e", project="p", run="r", attempt=1, rank=1, world_size=2, writer="w", host="h",
                              process_id=3, started_us=5, state=record_pb2.WriterState(state=1))  # fmt: skip
    message.ClearField(field)  # type: ignore[arg-type]
    if field in ("project", "run", "writer"):
        with pytest.raises(InvalidField, match=field):
            Session(message, "e", SETTINGS)
    else:
        check_session(Session(message, "e", SETTINGS), [], iter(()))


BLOCK = record_pb2.Block(key_ids=[1], steps=[1, 2], timestamps_ms=[1, 1], seq_offsets=[0, 1], values=[1, 2])


def batch(*blocks: record_pb2.Block, **fields: object) -> ingest_pb2.Batch:
    made = {"first_seq": 1, "last_seq_inclusive": 2, "new_keys": [ingest_pb2.KeyDefinition(id=1, key="a")]}
    return ingest_pb2.Batch(**{**made, "blocks": blocks, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", [field.name for field in record_pb2.Block.DESCRIPTOR.fields])
def test_a_block_without_a_field_is_refused_with_its_points(field: str) -> None:
    block = record_pb2.Block.FromString(BLOCK.SerializeToString())
    block.ClearField(field)  # type: ignore[arg-type]
    (refusal,) = decode(batch(block), WHO, StreamKeys(1000), max_points=9).refusals
    assert (refusal.reason, refusal.count) == (record_pb2.REFUSAL_REASON_MALFORMED, len(block.values))


@pytest.mark.parametrize(
    ("definitions", "kept"),
    [([(1, "a"), (1, "b")], []), ([(1, "a"), (1, "a")], ["a"]), ([(0, "a")], []), ([(1, "a"), (2, "a")], ["a"])],
)
def test_a_number_that_means_two_keys_means_none(definitions: list[tuple[int, str]], kept: list[str]) -> None:
    block = record_pb2.Block.FromString(BLOCK.SerializeToString())
    block.key_ids[0] = definitions[0][0]
    new_keys = [ingest_pb2.KeyDefinition(id=number, key=key) for number, key in definitions]
    decoded = decode(batch(block, new_keys=new_keys), WHO, StreamKeys(1000), max_points=9)
    assert [key for each in decoded.blocks for key in each.keys] == kept
    assert decoded.points + sum(refusal.count for refusal in decoded.refusals) == 2


def test_refusals_of_one_reason_and_field_are_one_with_the_sum() -> None:
    bad = record_pb2.Block(key_ids=[1], steps=[1], values=[1, 2, 3])
    decoded = decode(batch(bad, bad, BLOCK, bad), WHO, StreamKeys(1000), max_points=99)
    assert [refusal.count for refusal in decoded.refusals] == [9]
    assert [row["count"] for table, row in decoded.rows if table == "refusals"] == [9]


def test_what_clickhouse_refuses_is_shown_with_all_the_batch_held() -> None:
    session = Session(OPEN, "e", SETTINGS)
    bad = record_pb2.Block(key_ids=[1], steps=[1], values=[1, 2, 3])
    (submit,) = session.message(ingest_pb2.PublishRequest(batch=batch(bad, BLOCK)), 0)
    assert isinstance(submit, Submit)
    ((_, row),) = session.rejection_rows(submit.ticket, "why")
    (refused, _) = session.outcome(submit.ticket, Outcome(False, "why"))
    assert row["count"] == refused.message.refusal.count == 5  # type: ignore[union-attr]


def record(**kind: object) -> record_pb2.Record:
    return record_pb2.Record(seq=1, time_us=1, **kind)  # type: ignore[arg-type]


def document(text: str) -> record_pb2.Record:
    return record(document=record_pb2.Document(kind=record_pb2.Document.KIND_CONFIG, json=text))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"a": 1e999}', "64-bit float"),
        ('{"a": -1e999}', "64-bit float"),
        ('{"a": ' + "9" * 400 + "}", "float"),
        ('{"a": "\\ud800"}', "surrogates"),
        ('{"\\udfff": 1}', "surrogates"),
        ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), f"over {MAX_DEPTH} deep"),
        ('{"a":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}", f"over {MAX_DEPTH} deep"),
    ],
    ids=["inf", "-inf", "int", "surrogate", "surrogate key", "objects", "arrays"],
)
def test_a_document_that_no_reader_could_hold_is_refused_alone(text: str, what: str) -> None:
    decoded = decode(batch(BLOCK, records=[document(text)]), WHO, StreamKeys(1000), max_points=9)
    (refusal,) = decoded.refusals
    assert what in refusal.message
    assert decoded.points == 2


def test_a_document_as_deep_as_may_be_is_kept() -> None:
    text = '{"a":' * MAX_DEPTH + '"{[{[{["' + "}" * MAX_DEPTH
    assert not decode(batch(records=[document(text)]), WHO, StreamKeys(1000), max_points=9).refusals


@pytest.mark.parametrize(
    ("text", "doc"),
    [
        ('{"a.b": 1, "a": {"b": 2}}', '{"a.b": 1, "a": {}}'),
        ('{"a": {"b": 2}, "a.b": 1}', '{"a": {"b": 2}}'),
        ('{"l": [{"a.b": 1, "a": {"b": 2}}, {"a.b": 3}]}', '{"l": [{"a.b": 1, "a": {}}, {"a.b": 3}]}'),
        ('{"a": 1, "a.b": 2}', '{"a": 1, "a.b": 2}'),
    ],
)
def test_a_path_that_is_said_twice_is_filtered_by_its_first_value_and_given_back_whole(text: str, doc: str) -> None:
    ((_, row),) = decode(batch(records=[document(text)]), WHO, StreamKeys(1000), max_points=9).rows
    assert (row["doc"], row["text"]) == (doc, text)


@pytest.mark.parametrize("state", [0, 77, -1])
def test_a_state_that_is_none_is_refused_and_the_writer_keeps_its_own(state: int) -> None:
    decoded = decode(
        batch(records=[record(writer=record_pb2.WriterState(state=state))]), WHO, StreamKeys(1000), max_points=9
    )  # type: ignore[arg-type]
    assert [refusal.field for refusal in decoded.refusals] == ["writer.state"]
    assert decoded.writer_state is None
    opened = Session(ingest_pb2.Open(project="p", run="r", writer="w", state=record_pb2.WriterState(state=state)), "e", SETTINGS)  # type: ignore[arg-type]  # fmt: skip  # noqa: E501
    (_, submit) = opened.opened(5)
    assert [row["state"] for table, row in submit.rows if table == "writers"] == ["running"]  # type: ignore[union-attr]


def test_a_reason_of_a_later_version_is_kept_by_its_number() -> None:
    refused = record(refused=record_pb2.Refused(reason=99, count=3))  # type: ignore[arg-type]
    ((_, row),) = decode(batch(records=[refused]), WHO, StreamKeys(1000), max_points=9).rows
    assert (row["reason"], row["count"]) == ("UNKNOWN_99", 3)


def test_more_tags_than_a_page_can_show_are_refused() -> None:
    tagged = record(run=record_pb2.RunInfo(tags=record_pb2.Tags(values=["t"] * (MAX_TAGS + 1))))
    (refusal,) = decode(batch(records=[tagged]), WHO, StreamKeys(1000), max_points=9).refusals
    assert str(MAX_TAGS) in refusal.message


def test_a_start_that_no_column_holds_is_refused_by_field() -> None:
    for started_us in (MAX_TIME_MS * 1000 + 1000, (1 << 64) - 1):
        with pytest.raises(InvalidField, match="started_us"):
            Session(ingest_pb2.Open(project="p", run="r", writer="w", started_us=started_us), "e", SETTINGS)
    check_session(
        Session(ingest_pb2.Open(project="p", run="r", writer="w", started_us=MAX_TIME_MS * 1000), "e", SETTINGS),
        [],
        iter(()),
    )
