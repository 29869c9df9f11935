"""What a stream of messages must leave behind: acks that only grow, and every point stored or refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ingest.part import Outcome
from ingest.session import Action, Reply, Session, Submit
from runstream.errors import InvalidField
from runstream.forward.encode import batch_points
from runstream.store.points import merged, points_table
from runstream.store.records import tables
from runstream.store.series import series_table
from runstream.v1 import ingest_pb2


def check_session(session: Session, requests: Iterable[ingest_pb2.PublishRequest], committed: Iterator[bool]) -> int:
    """Drives a session as a server would and returns how many points were sent.

    ``committed`` says of each submission whether the store took it. Raises AssertionError where a law is broken;
    whatever else than InvalidField a message raises comes through.
    """
    sent = stored = refused = 0
    acked: list[int] = []
    last = 0

    def act(actions: list[Action]) -> None:
        nonlocal stored, refused
        for action in actions:
            if isinstance(action, Submit):
                _insertable(action)
                is_committed = next(committed, True)
                stored += action.points if is_committed and action.ticket else 0
                if action.ticket:
                    rows = [] if is_committed else session.rejection_rows(action.ticket, "why")
                    tables(rows)
                    act(session.outcome(action.ticket, Outcome(is_committed, "why")))
            elif isinstance(action, Reply) and action.message.HasField("ack"):
                acked.append(action.message.ack.acked_seq_inclusive)
            elif isinstance(action, Reply) and action.message.HasField("refusal"):
                refused += action.message.refusal.count

    act(session.opened(1_700_000_000_000_000))
    for request in requests:
        try:
            actions = session.message(request, 1_700_000_000_000_000)
        except InvalidField:
            continue  # the stream would end here; whatever else came must not be worse for it
        if request.HasField("batch"):
            sent += batch_points(request.batch)
            last = request.batch.last_seq_inclusive
        act(actions)
        assert (acked[-1] if acked else 0) == last
    assert acked == sorted(set(acked))
    assert sent == stored + refused
    assert session.is_idle
    return sent


def _insertable(submit: Submit) -> None:
    """What is submitted can become the columns of an insert: one that cannot costs its whole batch."""
    blocks, others = merged(submit.blocks), tables(submit.rows)
    points = points_table(blocks).num_rows if blocks else 0
    if blocks:
        series_table(blocks)
    for table in others.values():
        table.validate(full=True)
    assert submit.points == points + (others["history_values"].num_rows if "history_values" in others else 0)
