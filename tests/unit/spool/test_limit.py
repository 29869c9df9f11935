"""A spool's limit: never passed, what finds no room is counted, and room that comes back is used."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstream.spool.reader import SpoolReader
from runstream.spool.writer import SpoolWriter

LIMIT = 16_000
LARGEST_ROW = 32 + 5 * 8


class Clock:
    """Seconds that pass when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Forwarder:
    """Reads, takes everything as acked, deletes what may be deleted."""

    def __init__(self, directory: Path) -> None:
        self.reader = SpoolReader(directory)
        self.losses: list[float] = []
        self.points = 0
        self.dropped = 0

    def work(self, *, deletes: bool = True) -> None:
        last = 0
        while (chunk := self.reader.read()) is not None:
            assert (chunk.damaged_bytes, chunk.lost_seqs) == (0, 0)
            last = chunk.last_seq_inclusive
            self.points += chunk.points
            self.dropped += sum(int(record["refused"]["count"]) for _, record in chunk.records if "refused" in record)
            for rows in chunk.rows:
                if rows.keys == ("loss",):
                    self.losses += rows.values[:, 0].tolist()
        if deletes and last:
            for segment in self.reader.acked_segments(last):
                segment.unlink()


def used(directory: Path) -> int:
    return sum(segment.stat().st_size for segment in directory.glob("*.spool"))


def fill(writer: SpoolWriter) -> int:
    """Logs until nothing is kept any more; the number of rows that were."""
    rows = 0
    while not writer.unreported_points:
        writer.append_row({"loss": rows}, rows, 1000)
        rows += 1
    return rows - 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(tmp_path: Path, clock: Clock) -> SpoolWriter:
    return SpoolWriter(tmp_path / "w", {}, max_bytes=LIMIT, now=clock)


def test_I3_what_is_past_the_limit_is_dropped_and_counted_by_its_name(writer: SpoolWriter) -> None:
    kept = fill(writer)
    writer.append_row({"loss": {"a": 1, "b": 2}, "text": "x"}, 0, 1000)
    assert used(writer.directory) <= LIMIT
    assert kept > LIMIT * 0.6 / 40
    (refused,) = writer.flush_refusals()
    assert (refused.reason, refused.field, refused.count) == ("DISK_FULL", "spool_max_bytes", 4)
    assert "16,000 bytes" in refused.message
    assert (writer.all_sent_points, writer.unreported_points) == (kept + 4, 0)
    forwarder = Forwarder(writer.directory)
    forwarder.work()
    assert (forwarder.losses, forwarder.dropped) == (list(range(kept)), 4)
    writer.close()


def test_room_that_comes_back_is_used_after_a_second_at_most(writer: SpoolWriter, clock: Clock) -> None:
    kept = fill(writer)
    forwarder = Forwarder(writer.directory)
    forwarder.work()
    clock.now += 0.9
    writer.append_row({"loss": -1}, 0, 1000)
    clock.now += 0.1
    for step in range(100):
        writer.append_row({"loss": -2 - step}, step, 1000)
    writer.flush_refusals()
    forwarder.work()
    assert forwarder.losses == [*range(kept), *range(-2, -102, -1)]
    assert forwarder.dropped == 2
    assert writer.latest() == {"loss": -101.0}
    writer.close()


def test_a_single_big_segment_is_left_so_that_it_can_be_deleted(writer: SpoolWriter, clock: Clock) -> None:
    obstacle = writer.directory / "00000002.spool"
    obstacle.touch()  # as if no file could be made
    kept = fill(writer)
    assert used(writer.directory) <= LIMIT
    assert kept > LIMIT * 0.6 / 40
    obstacle.unlink()
    clock.now += 1
    writer.append_row({"loss": -1}, 0, 1000)
    forwarder = Forwarder(writer.directory)
    forwarder.work()
    assert used(writer.directory) < LIMIT / 8
    clock.now += 1
    writer.append_row({"loss": -2}, 0, 1000)
    forwarder.work()
    assert forwarder.losses == [*range(kept), -2]
    writer.close()


def test_how_the_run_ended_is_said_though_nothing_fits(writer: SpoolWriter) -> None:
    fill(writer)
    while writer.append_record({"document": {"json": "x" * 50}}):
        pass
    assert "spool_max_bytes" in writer.last_trouble
    for _ in range(100):
        writer.refuse("NOT_A_NUMBER", "k", "m" * 50, 1)
        writer.flush_refusals()
    assert used(writer.directory) <= LIMIT
    assert writer.append_record({"writer": {"state": "RUN_STATE_FINISHED"}})
    writer.close()


def test_a_row_too_wide_for_the_limit_costs_the_others_nothing(writer: SpoolWriter, clock: Clock) -> None:
    writer.append_row({"loss": 1}, 0, 1000)
    writer.append_row({f"k{index:04d}": index for index in range(2000)}, 1, 1000)
    assert writer.unreported_points == 2000
    clock.now += 1
    writer.append_row({"loss": 2}, 2, 1000)
    assert writer.unreported_points == 2000
    writer.close()


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 300), st.booleans(), st.booleans()), max_size=12))
def test_I3_kept_and_dropped_are_what_was_sent_and_the_limit_holds(
    tmp_path_factory: pytest.TempPathFactory, bursts: list[tuple[int, int, bool, bool]]
) -> None:
    clock = Clock()
    writer = SpoolWriter(tmp_path_factory.mktemp("limit") / "w", {}, max_bytes=LIMIT, now=clock)
    forwarder = Forwarder(writer.directory)
    sent = 0
    for width, rows, deletes, tells in bursts:
        for step in range(rows):
            writer.append_row(dict.fromkeys("abcde"[:width], 1.0), step, 1000)
        sent += width * rows
        clock.now += 1
        if tells:
            writer.flush_refusals()
        assert used(writer.directory) <= LIMIT + LARGEST_ROW
        if deletes:
            forwarder.work()
    writer.flush_refusals()
    forwarder.work()
    assert writer.all_sent_points == sent
    assert forwarder.points + forwarder.dropped + writer.unreported_points == sent
    writer.close()
