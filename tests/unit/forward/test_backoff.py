"""Delays double, are spread, and stay within their limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runstream.forward.backoff import FIRST_S, MAX_S, delay_s


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_within_limits(failures: int, part: float) -> None:
    assert FIRST_S / 2 <= delay_s(failures, part) <= min(MAX_S, FIRST_S * 2 ** min(failures, 20))


def test_the_whole_range_is_used() -> None:
    assert delay_s(1, 1.0) == FIRST_S
    assert delay_s(4, 1.0) == FIRST_S * 8
    assert delay_s(100, 1.0) == MAX_S
    assert delay_s(100, 0.0) == FIRST_S / 2
