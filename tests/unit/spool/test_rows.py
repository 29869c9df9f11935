"""Rows read with numpy equal rows read one by one with struct."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from runstream.spool.frame import Kind, frame, row_struct
from runstream.spool.rows import read_rows
from runstream.spool.scan import scan

ROWS = st.lists(
    st.tuples(
        st.integers(-(1 << 63), (1 << 63) - 1),
        st.integers(0, 1 << 50),
        st.lists(st.floats(), min_size=3, max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
)


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


@given(ROWS)
def test_numpy_and_its_plain_twin_agree(written: list[tuple[int, int, list[float], bool]]) -> None:
    packer = row_struct(3)
    between = frame(bytes([Kind.RECORD]) + bytes(10))
    data = b"".join(
        frame(packer.pack(Kind.ROW, 7, step, time, *values)) + (between if is_apart else b"")
        for step, time, values, is_apart in written
    )
    groups, first_seqs, seqs, seq = [], [], [], 10
    for each in scan(data)[0]:
        if each.kind == Kind.ROW:
            groups.append(each)
            first_seqs.append(seq)
            seqs += range(seq, seq + each.n)
        seq += each.n
    rows = read_rows(data, ("a", "b", "c"), groups, first_seqs)
    assert rows.points == 3 * len(written)
    assert rows.seqs.tolist() == seqs
    for index, (step, time, values, _) in enumerate(written):
        assert (rows.steps[index], rows.times_ms[index]) == (step, time)
        assert all(map(same, rows.values[index].tolist(), values))
