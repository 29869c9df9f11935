"""A check of a spool finds whatever is wrong with it, and nothing wrong with a sound one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runstream.spool.ledger import InFlight, Ledger
from runstream.spool.verify import verify
from runstream.spool.writer import SpoolWriter

WHO = {"entity": "", "project": "p", "run": "r", "writer": "w", "rank": 3, "attempt": 2}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A dead writer's spool of three segments: 20 rows of 2 values, 2 refused, the last row in frame 24."""
    writer = SpoolWriter(tmp_path / "r3", WHO, segment_max_bytes=400)
    for step in range(20):
        if step == 5:
            writer.refuse("NOT_A_NUMBER", "k", "m", 2)
            writer.flush_refusals()
        writer.append_row({"a": step, "b": -step}, step, 1000)
    writer.close()
    assert len(list(writer.directory.glob("*.spool"))) == 3
    return writer.directory


def test_a_sound_spool_has_no_problems_and_is_counted(directory: Path) -> None:
    found = verify(directory)
    assert (found.run, found.writer, found.rank, found.attempt) == ("-/p/r", "w", 3, 2)
    assert (found.frames, found.points, found.waiting, found.damaged_bytes) == (24, 40, 42, 0)
    assert (found.problems, found.closed) == ([], False)


@pytest.mark.parametrize("acked", range(1, 25))
def test_what_is_acked_waits_no_more_and_its_segments_may_go(directory: Path, acked: int) -> None:
    # Frames 1, 9 and 18 name the schema, frame 7 says what was refused.
    rows = sum(number not in (1, 7, 9, 18) for number in range(1, acked + 1))
    ledger = Ledger(directory)
    ledger.sent(InFlight(acked, 2 * rows, 2 if acked >= 7 else 0))
    ledger.acked(acked)
    if acked >= 8:
        (directory / "00000001.spool").unlink()
    found = verify(directory)
    assert found.problems == []
    assert (found.acked_seq, found.sent + found.waiting) == (acked, 42)


def test_a_tail_torn_anywhere_is_no_damage(directory: Path) -> None:
    last = directory / "00000003.spool"
    whole = last.read_bytes()
    for size in range(len(whole)):
        last.write_bytes(whole[:size])
        found = verify(directory)
        assert (found.problems, found.damaged_bytes) == ([], 0)
        assert found.points <= 40


def test_every_byte_that_changed_is_found(directory: Path) -> None:
    first = directory / "00000001.spool"
    whole = first.read_bytes()
    for place in range(len(whole)):
        if 4 <= place < 8:
            continue  # reserved: says nothing
        first.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        assert verify(directory).problems, f"byte {place}"
    first.write_bytes(whole)
    assert verify(directory).problems == []


def test_a_segment_that_is_gone_but_not_acked_is_a_problem(directory: Path) -> None:
    (directory / "00000001.spool").unlink()
    (problem,) = verify(directory).problems
    assert problem == "frames 1 to 8 are neither here nor acked"
    for left in directory.glob("*.spool"):
        left.unlink()
    assert verify(directory).problems == ["no segment is left, but the account is open"]


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("acked.json", {"acked_seq_inclusive": 5, "sent": 9, "stored": 7, "refused": 1}, "acked.json cannot be read"),
        ("acked.json", {"acked_seq_inclusive": 5, "gaps": 2}, "2 frames were lost"),
        (
            "receipt.json",
            {"sent": 3, "stored": 2, "refused": 0, "gaps": 0, "complete": True},
            "receipt.json cannot be read",
        ),
        (
            "receipt.json",
            {"acked_seq_inclusive": 5, "sent": 2, "stored": 2, "gaps": 1, "complete": False, "refusals": []},
            "receipt is not complete",
        ),
        ("writer.json", {"run": "r"}, "writer.json cannot be read"),
    ],
)
def test_an_account_that_does_not_add_up_is_a_problem(
    directory: Path, file: str, content: dict[str, object], problem: str
) -> None:
    (directory / file).write_text(json.dumps(content))
    assert any(problem in each for each in verify(directory).problems)
