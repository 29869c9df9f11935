"""Rows read with numpy equal rows read one by one with struct."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from runstream.spool.frame import frame, row_struct, scan
from runstream.spool.rows import read_rows

ROWS = st.lists(
    st.tuples(
        st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 1 << 50), st.lists(st.floats(), min_size=3, max_size=3)
    ),
    min_size=1,
    max_size=20,
)


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


@given(ROWS, st.booleans())
def test_numpy_and_its_plain_twin_agree(written: list[tuple[int, int, list[float]]], are_scattered: bool) -> None:
    between = frame(bytes(11)) if are_scattered else b""
    packer = row_struct(3)
    data = b"".join(frame(packer.pack(1, 7, step, time, *values)) + between for step, time, values in written)
    starts = [found.start for found in scan(data)[0] if found.end - found.start == packer.size]
    rows = read_rows(data, ("a", "b", "c"), starts, range(10, 10 + len(starts)))
    assert rows.points == 3 * len(written)
    assert rows.seqs.tolist() == list(range(10, 10 + len(written)))
    for index, start in enumerate(starts):
        _, _, step, time, *values = packer.unpack_from(data, start)
        assert (rows.steps[index], rows.times_ms[index]) == (step, time)
        assert all(map(same, rows.values[index].tolist(), values))
