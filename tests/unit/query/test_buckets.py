"""Bucket widths: few enough, aligned, and stable while a curve grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from query.buckets import shift_for

STEPS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(STEPS, STEPS, st.integers(1, 10_000))
def test_at_most_so_many_buckets_and_no_wider_than_needed(one: int, other: int, most: int) -> None:
    low, high = min(one, other), max(one, other)
    shift = shift_for(low, high, most)
    count = (high >> shift) - (low >> shift) + 1
    assert count <= most or (shift == 63 and count == 2)
    assert shift == 0 or (high >> (shift - 1)) - (low >> (shift - 1)) + 1 > most


def test_edges_stay_while_a_curve_grows() -> None:
    for high in range(1000, 2000):
        shift = shift_for(0, high, 100)
        assert shift == (4 if high < 1600 else 5)
