"""One writer's stream as messages in and actions out."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.part import Outcome
from ingest.session import Action, Reply, Session, Submit
from ingest.settings import Settings
from runstream.errors import InvalidField
from runstream.v1 import common_pb2, ingest_pb2, record_pb2

COMMITTED = Outcome(is_committed=True)


def opened(**changes: Any) -> Session:
    fields: dict[str, Any] = {"project": "p", "run": "r", "writer": "w", "attempt": 1, "rank": 2, "started_us": 1000}
    return Session(ingest_pb2.Open(**(fields | changes)), changes.get("entity", "e"), Settings())


def batch(first: int, last: int, **fields: Any) -> ingest_pb2.PublishRequest:
    return ingest_pb2.PublishRequest(batch=ingest_pb2.Batch(first_seq=first, last_seq_inclusive=last, **fields))


def submitted(actions: list[Action]) -> Submit:
    (action,) = actions
    assert isinstance(action, Submit)
    return action


def acks(actions: list[Action]) -> list[int]:
    return [
        action.message.ack.acked_seq_inclusive
        for action in actions
        if isinstance(action, Reply) and action.message.HasField("ack")
    ]


def test_open_is_answered_with_limits_and_makes_the_run_visible() -> None:
    reply, submit = opened().opened(5_000_000)
    assert isinstance(reply, Reply)
    assert isinstance(submit, Submit)
    assert reply.message.opened.max_batch_points == Settings().max_batch_points
    rows = dict(submit.rows)
    assert rows["runs"]["run"] == "r"
    assert (rows["writers"]["state"], rows["writers"]["rank"]) == ("running", 2)


def test_an_auxiliary_writer_is_no_writer_of_the_run() -> None:
    session = opened(is_auxiliary=True)
    _, first = session.opened(5_000_000)
    assert isinstance(first, Submit)
    assert [table for table, _ in first.rows] == ["runs"]
    heartbeat = ingest_pb2.PublishRequest(heartbeat=ingest_pb2.Heartbeat(time_us=6_000_000))
    assert session.message(heartbeat, 6_000_000) == []
    state = record_pb2.WriterState(state=common_pb2.RUN_STATE_FAILED)
    alert = record_pb2.Alert(title="GPU 0: XID 79")
    records = [record_pb2.Record(seq=1, writer=state), record_pb2.Record(seq=2, alert=alert)]
    submit = submitted(session.message(batch(1, 2, records=records), 7_000_000))
    assert [table for table, _ in submit.rows] == ["alerts"]
    receipt = record_pb2.Record(seq=3, receipt=record_pb2.Receipt(sent=1, stored=1))
    submit = submitted(session.message(batch(3, 3, records=[receipt]), 8_000_000))
    assert submit.rows == []
    assert acks(session.outcome(submit.ticket - 1, COMMITTED) + session.outcome(submit.ticket, COMMITTED)) == [2, 3]


@pytest.mark.parametrize(
    ("field", "value"),
    [("project", ""), ("project", "a/b"), ("run", "x" * 129), ("run", "a\nb"), ("writer", ""), ("writer", "w" * 65),
     ("entity", "..")],
)  # fmt: skip
def test_a_name_that_cannot_be_is_refused_by_field(field: str, value: str) -> None:
    with pytest.raises(InvalidField, match=field):
        opened(**{field: value})


@given(st.permutations(range(6)))
def test_acks_come_in_order_whatever_order_batches_are_committed_in(order: list[int]) -> None:
    session = opened()
    tickets = [submitted(session.message(batch(i * 10 + 1, i * 10 + 10), 0)).ticket for i in range(6)]
    acked: list[int] = []
    done: set[int] = set()
    for index in order:
        acked += acks(session.outcome(tickets[index], COMMITTED))
        done.add(index)
        whole = next(i for i in itertools.count() if i not in done)
        assert (acked[-1] if acked else 0) == whole * 10
    assert session.is_idle
    assert acked == sorted(acked)


def test_a_hole_between_batches_is_taken_an_overlap_is_not() -> None:
    session = opened()
    session.message(batch(1, 5), 0)
    session.message(batch(9, 9), 0)
    for first, last in ((9, 12), (3, 4), (12, 11), (0, 0)):
        with pytest.raises(InvalidField, match="first_seq"):
            session.message(batch(first, last), 0)


def test_a_second_open_or_an_empty_message_ends_the_stream() -> None:
    for request in (ingest_pb2.PublishRequest(open=ingest_pb2.Open()), ingest_pb2.PublishRequest()):
        with pytest.raises(InvalidField, match="batch or heartbeat"):
            opened().message(request, 0)


def test_what_clickhouse_refuses_for_good_is_a_refusal_before_the_ack() -> None:
    session = opened()
    block = record_pb2.Block(key_ids=[1], steps=[1, 2], timestamps_ms=[1, 1], seq_offsets=[0, 1], values=[1, 2])
    keys = [ingest_pb2.KeyDefinition(id=1, key="a")]
    submit = submitted(session.message(batch(1, 2, blocks=[block], new_keys=keys), 0))
    refused, ack = session.outcome(submit.ticket, Outcome(is_committed=False, message="why"))
    assert isinstance(refused, Reply)
    assert isinstance(ack, Reply)
    assert (refused.message.refusal.count, refused.message.refusal.message) == (2, "why")
    assert acks([ack]) == [2]


def test_state_and_receipt_keep_the_writers_row_whole() -> None:
    session = opened()
    failed = record_pb2.Record(
        seq=1, time_us=50, writer=record_pb2.WriterState(state=common_pb2.RUN_STATE_FAILED, exit_code=3)
    )
    first = dict(submitted(session.message(batch(1, 1, records=[failed]), 60)).rows)["writers"]
    assert (first["state"], first["exit_code"], first["ver"], first["complete"]) == ("failed", 3, 50, False)
    receipt = record_pb2.Record(seq=2, time_us=70, receipt=record_pb2.Receipt(sent=9, stored=8, refused=1))
    second = dict(submitted(session.message(batch(2, 2, records=[receipt]), 80)).rows)["writers"]
    assert (second["state"], second["sent"], second["stored"], second["complete"]) == ("failed", 9, 8, True)
    beat = ingest_pb2.PublishRequest(heartbeat=ingest_pb2.Heartbeat(time_us=90))
    third = dict(submitted(session.message(beat, 100)).rows)["writers"]
    assert (third["state"], third["ver"]) == ("failed", 90)


def test_a_reopened_stream_says_again_how_the_writer_ended() -> None:
    session = opened(state=record_pb2.WriterState(state=common_pb2.RUN_STATE_FINISHED))
    submit = session.opened(0)[1]
    assert isinstance(submit, Submit)
    assert dict(submit.rows)["writers"]["state"] == "finished"
