"""Which points of earlier attempts a resume hides, against the rule said plainly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from query.attempts import Cuts, cuts_by_run, valid_now


def is_hidden(attempt: int, step: int, starts: dict[int, int]) -> bool:
    """I6, word by word: a later attempt hides what earlier ones wrote at its first step and after."""
    return any(step >= first for later, first in starts.items() if later > attempt)


@given(st.dictionaries(st.integers(0, 50), st.integers(-100, 100), min_size=2, max_size=6), st.integers(-120, 120))
def test_cuts_follow_the_rule(starts: dict[int, int], step: int) -> None:
    rows = [{"run_id": 1, "attempt": attempt, "first_step": first} for attempt, first in sorted(starts.items())]
    cuts = cuts_by_run(rows)[1]
    assert cuts.newest == max(starts)
    for attempt, cut in zip(cuts.attempts, cuts.cuts, strict=True):
        assert (step >= cut) == is_hidden(attempt, step, starts)


def test_runs_of_one_attempt_have_no_cuts() -> None:
    assert cuts_by_run([{"run_id": 1, "attempt": 5, "first_step": 0}]) == {}


def test_cuts_of_many_runs_are_one_condition() -> None:
    assert valid_now({}) == ("true", {})
    text, parameters = valid_now({8: Cuts(3, [1, 2], [50, 60]), 16: Cuts(2, [1], [-(1 << 63)])})
    assert "cut_places" in text
    assert parameters == {"cut_places": [8 ^ 1, 8 ^ 2, 16 ^ 1], "last_valid": [49, 59, -(1 << 63)]}
