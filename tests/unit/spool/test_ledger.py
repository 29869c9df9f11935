"""The account: sent = stored + refused at every ack, whatever breaks in between."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runstream.spool.ledger import InFlight, Ledger, read_receipt


def refusal(last_seq: int, count: int, field: str = "k") -> dict[str, object]:
    return {"last_seq": last_seq, "reason": "MALFORMED", "field": field, "message": "m", "count": count}


def test_an_ack_moves_the_account_and_survives_a_restart(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.sent(InFlight(10, 100, 0))
    ledger.sent(InFlight(20, 50, 3))
    ledger.refusal(refusal(20, 7))
    ledger.acked(20)
    account = Ledger(tmp_path).account
    assert (account.acked_seq_inclusive, account.sent, account.stored, account.refused) == (20, 153, 143, 10)


def test_a_refusal_counts_when_its_batch_is_acked_not_before(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.sent(InFlight(10, 100, 0))
    ledger.sent(InFlight(20, 50, 0))
    ledger.refusal(refusal(20, 7))
    ledger.acked(10)
    assert (ledger.account.stored, ledger.account.refused) == (100, 0)
    ledger.acked(20)
    assert (ledger.account.stored, ledger.account.refused) == (143, 7)


def test_a_broken_stream_forgets_what_was_in_flight(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.sent(InFlight(10, 100, 0))
    ledger.refusal(refusal(10, 7))
    ledger.forget_in_flight()
    ledger.sent(InFlight(10, 100, 0))
    ledger.acked(10)
    assert (ledger.account.sent, ledger.account.stored, ledger.account.refused) == (100, 100, 0)


def test_refusals_are_summed_and_the_same_line_twice_counts_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for entry in (refusal(1, 2), refusal(1, 2), refusal(2, 3), refusal(3, 1, "other")):
        ledger.keep_refusal(entry)
    found = {entry["field"]: entry["count"] for entry in ledger.refusals()}
    assert found == {"k": 5, "other": 1}


def test_a_closed_account_is_the_receipt(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert read_receipt(tmp_path) is None
    ledger.sent(InFlight(1, 5, 0, state=2))
    ledger.acked(1)
    closed = ledger.close()
    assert (closed["sent"], closed["stored"], closed["complete"], closed["state"]) == (5, 5, True, 2)
    assert read_receipt(tmp_path) == json.loads(json.dumps(closed))


def test_gaps_leave_an_account_incomplete(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.account.gaps = 1
    assert ledger.close()["complete"] is False


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 5), st.integers(0, 100)), min_size=1, max_size=10),
    st.data(),
)
def test_sent_is_stored_plus_refused_at_every_ack(
    tmp_path_factory: object, batches: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    folder: Path = tmp_path_factory.mktemp("ledger")  # type: ignore[attr-defined]
    ledger = Ledger(folder)
    for number, (points, by_client, by_server) in enumerate(batches, 1):
        ledger.sent(InFlight(number, points, by_client))
        if by_server:
            ledger.refusal(refusal(number, min(points, by_server)))
    for ack in [*sorted(data.draw(st.lists(st.integers(1, len(batches)), max_size=5))), len(batches)]:
        ledger.acked(ack)
        account = ledger.account
        assert account.sent == account.stored + account.refused
    assert account.sent == sum(points + by_client for points, by_client, _ in batches)
