"""The times that the store orders by only rise, however the wall clock jumps."""

from __future__ import annotations

import itertools
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runstream.spool.clock import later_us
from runstream.spool.reader import SpoolReader
from runstream.spool.writer import SpoolWriter

YEAR_US = 366 * 86_400 * 1_000_000


@given(st.lists(st.integers(0, 100 * YEAR_US), min_size=1))
def test_times_rise_and_are_the_wall_clocks_where_it_rises(wall: list[int]) -> None:
    said = list(itertools.accumulate(wall, later_us, initial=0))[1:]
    assert all(earlier < later for earlier, later in itertools.pairwise([0, *said]))
    highest = list(itertools.accumulate(wall, max))
    assert all(0 <= time - high <= len(wall) for time, high in zip(said, highest, strict=True))


def test_records_of_a_writer_whose_clock_jumps_keep_their_order(tmp_path: Path) -> None:
    started_us = 50 * YEAR_US
    wall = iter([started_us - YEAR_US, started_us + YEAR_US, started_us - 2 * YEAR_US, started_us, started_us + 5])
    writer = SpoolWriter(tmp_path / "w", {"started_us": started_us}, now_us=lambda: next(wall))
    for number in range(4):
        assert writer.append_record({"run": {"displayName": str(number)}})
    writer.refuse("NOT_A_NUMBER", "k", "m", 1)
    assert len(writer.flush_refusals()) == 1
    writer.close()
    reader = SpoolReader(writer.directory)
    chunk = reader.read()
    reader.close()
    assert chunk is not None
    times = [int(record["timeUs"]) for _, record in chunk.records]
    assert times == [started_us + 1, started_us + YEAR_US, *(started_us + YEAR_US + n for n in (1, 2, 3))]
