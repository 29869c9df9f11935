"""The account: sent = stored + refused at every ack, whatever breaks in between."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.spool.ledger import Account, InFlight, Ledger, read_receipt


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


def account_json(acked: str, sent: int) -> bytes:
    zeros = '"refused": 0, "gaps": 0, "state": 0, "exit_code": 0'
    return f'{{"acked_seq_inclusive": {acked}, "sent": {sent}, "stored": 1, {zeros}}}'.encode()


WRONG: dict[str, bytes] = {
    "empty": b"",
    "torn": b'{"acked_seq_inclusive": 5, "se',
    "foreign": b"\x89PNG\r\n\x1a\n",
    "not UTF-8": b'{"acked_seq_inclusive": "\xff"}',
    "a list": b"[1, 2]",
    "deep": b"[" * 100_000,
    "another object": b'{"name": "x"}',
    "texts for numbers": account_json('"5"', 1),
    "a bool": account_json("true", 1),
    "negative": account_json("-5", 1),
    "huge": account_json("1e400", 1),
    "no sum": account_json("5", 9),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG.keys())
def test_a_damaged_account_begins_at_0_and_what_follows_adds_up(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "acked.json").write_bytes(content)
    before = Ledger(tmp_path)
    before.keep_refusal(refusal(1, 2))
    ledger = Ledger(tmp_path)
    assert (ledger.is_damaged, ledger.account) == (True, Account())
    ledger.begin_again()
    ledger.sent(InFlight(1, 5, 0))
    ledger.refusal(refusal(1, 2))
    ledger.acked(1)
    closed = ledger.close()
    assert (closed["sent"], closed["stored"], closed["refused"]) == (5, 3, 2)
    assert sum(entry["count"] for entry in closed["refusals"]) == 2
    assert ("SPOOL_DAMAGED", "acked.json") in [(entry["reason"], entry["field"]) for entry in closed["refusals"]]
    assert not Ledger(tmp_path).is_damaged


def test_a_flipped_bit_never_moves_the_ack(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.sent(InFlight(10, 100, 0))
    ledger.acked(10)
    sound = (tmp_path / "acked.json").read_bytes()
    for place in range(len(sound)):
        for bit in range(8):
            flipped = bytearray(sound)
            flipped[place] ^= 1 << bit
            (tmp_path / "acked.json").write_bytes(flipped)
            assert Ledger(tmp_path).account in (ledger.account, Account())


def test_an_account_without_a_check_or_with_more_names_is_taken_up(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.sent(InFlight(10, 100, 0))
    ledger.acked(10)
    content = json.loads((tmp_path / "acked.json").read_text())
    del content["check"]
    (tmp_path / "acked.json").write_text(json.dumps({**content, "colour": "red"}))
    assert Ledger(tmp_path).account == ledger.account


@pytest.mark.parametrize("content", [*WRONG.values(), b'{"sent": 1}'], ids=[*WRONG, "half"])
def test_a_damaged_receipt_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "receipt.json").write_bytes(content)
    assert read_receipt(tmp_path) is None


LINES = [b"{", b"\xff", b"[1]", b'"x"', b"null", b'{"reason": 1, "field": 2, "message": 3, "count": 4}',
         b'{"reason": "R", "field": "f", "message": "m", "count": -1}', b'{"reason": "R", "field": "f", "count": 1}',
         b'{"reason": "R", "field": "f", "message": "m", "count": "x"}', b"[" * 100_000]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_lines_that_cannot_be_read_are_still_in_the_sum(tmp_path: Path, line: bytes) -> None:
    ledger = Ledger(tmp_path)
    for seq in (1, 2):
        ledger.sent(InFlight(seq, 10, 0))
        ledger.refusal(refusal(seq, 3))
    ledger.acked(2)
    kept = (tmp_path / "refused.jsonl").read_bytes().splitlines()
    (tmp_path / "refused.jsonl").write_bytes(line + b"\n" + kept[1] + b"\n")
    found = {(entry["reason"], entry["field"]): entry["count"] for entry in ledger.refusals()}
    assert found == {("MALFORMED", "k"): 3, ("SPOOL_DAMAGED", "refused.jsonl"): 3}


def test_a_torn_line_does_not_swallow_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "refused.jsonl").write_bytes(b'{"reason": "MALF')
    ledger = Ledger(tmp_path)
    ledger.sent(InFlight(1, 10, 0))
    ledger.refusal({**refusal(1, 3), "message": "a\u2028b"})
    ledger.acked(1)
    assert next((entry["count"], entry["message"]) for entry in ledger.refusals()) == (3, "a\u2028b")


def test_a_full_disk_ends_no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    ledger = Ledger(tmp_path)
    ledger.sent(InFlight(1, 10, 0))
    ledger.refusal(refusal(1, 3))
    with monkeypatch.context() as patch:
        patch.setattr("runstream.spool.ledger.write_json", full)
        patch.setattr("runstream.spool.ledger.Path.open", full)
        ledger.acked(1)
    closed = ledger.close()
    assert (closed["sent"], closed["stored"], closed["refused"]) == (10, 7, 3)
    assert sum(entry["count"] for entry in closed["refusals"]) == 3


def test_gaps_count_when_the_batch_after_them_is_acked(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.sent(InFlight(10, 100, 0, gaps=4))
    ledger.forget_in_flight()
    ledger.sent(InFlight(10, 100, 0, gaps=4))
    assert ledger.account.gaps == 0
    ledger.acked(10)
    assert Ledger(tmp_path).account.gaps == 4
