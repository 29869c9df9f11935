"""Counters to rates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runstream.forward.rates import Rates


def test_a_rate_needs_two_looks() -> None:
    rates = Rates()
    assert rates.rate("x", 1000, 10.0) is None
    assert rates.rate("x", 3000, 12.0) == 1000
    assert rates.rate("y", 0, 12.0) is None
    assert rates.rate("x", 3000, 12.0) is None  # no time has gone by
    assert rates.rate("x", 3000, 13.0) == 0


def test_a_counter_that_begins_again_is_silent_once() -> None:
    rates = Rates()
    rates.rate("x", 5000, 0.0)
    assert rates.rate("x", 100, 1.0) is None
    assert rates.rate("x", 300, 2.0) == 200


def test_a_counter_that_wraps_goes_on() -> None:
    rates = Rates()
    rates.rate("x", 2**32 - 100, 0.0, wraps_at=2**32)
    assert rates.rate("x", 400, 1.0, wraps_at=2**32) == 500
    rates.rate("y", 2**31, 0.0, wraps_at=2**32)
    assert rates.rate("y", 400, 1.0, wraps_at=2**32) is None  # begun again: it was nowhere near its end


@given(st.lists(st.tuples(st.integers(0, 2**40), st.floats(0, 1e6)), max_size=20))
def test_no_rate_is_below_zero(looks: list[tuple[int, float]]) -> None:
    rates = Rates()
    for count, now in looks:
        rate = rates.rate("x", count, now, wraps_at=2**40)
        assert rate is None or rate >= 0


def test_forgotten_counters_begin_anew() -> None:
    rates = Rates()
    rates.rate("a/x", 1, 0.0)
    rates.rate("b/x", 1, 0.0)
    rates.forget("a/")
    assert (rates.rate("a/x", 2, 1.0), rates.rate("b/x", 2, 1.0)) == (None, 1)
