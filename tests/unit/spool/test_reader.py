"""The reader: from any sequence, while it grows, and past damage with a count."""

from __future__ import annotations

from pathlib import Path

import pytest

from runstream.spool.frame import SEGMENT_HEADER
from runstream.spool.reader import Chunk, SpoolReader
from runstream.spool.scan import scan
from runstream.spool.writer import SpoolWriter


def spooled(directory: Path, rows: int, *, segment_max_bytes: int = 1 << 20) -> SpoolWriter:
    writer = SpoolWriter(directory, {}, segment_max_bytes=segment_max_bytes)
    for step in range(rows):
        writer.append_row({"a": step}, step, 1000)
    return writer


def drain(reader: SpoolReader) -> list[Chunk]:
    chunks = []
    while (chunk := reader.read()) is not None:
        chunks.append(chunk)
    return chunks


def steps(chunks: list[Chunk]) -> list[int]:
    return [int(step) for chunk in chunks for rows in chunk.rows for step in rows.steps]


@pytest.mark.parametrize("after_seq", [0, 1, 2, 50, 100, 101, 500])
def test_reads_what_comes_after_a_sequence(tmp_path: Path, after_seq: int) -> None:
    spooled(tmp_path / "w", 100, segment_max_bytes=500).close()
    chunks = drain(SpoolReader(tmp_path / "w", after_seq=after_seq))
    everything = drain(SpoolReader(tmp_path / "w"))
    seqs = [int(seq) for chunk in everything for rows in chunk.rows for seq in rows.seqs]
    expected = [step for step, seq in enumerate(seqs) if seq > after_seq]
    assert steps(chunks) == expected
    assert sum(chunk.lost_seqs for chunk in chunks) == 0


def test_ranges_are_contiguous(tmp_path: Path) -> None:
    spooled(tmp_path / "w", 300, segment_max_bytes=700).close()
    reader = SpoolReader(tmp_path / "w")
    expected = 1
    while (chunk := reader.read(max_bytes=200)) is not None:
        assert chunk.first_seq == expected
        expected = chunk.last_seq_inclusive + 1
    assert expected > 300


def test_follows_a_growing_spool_over_segments(tmp_path: Path) -> None:
    writer = spooled(tmp_path / "w", 0, segment_max_bytes=300)
    reader = SpoolReader(tmp_path / "w")
    seen: list[int] = []
    for step in range(50):
        writer.append_row({"a": step}, step, 1000)
        seen += steps(drain(reader))
    assert seen == list(range(50))
    writer.close()


def test_a_torn_tail_waits_and_is_read_once_it_is_whole(tmp_path: Path) -> None:
    spooled(tmp_path / "w", 3).close()
    (segment,) = (tmp_path / "w").glob("*.spool")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-5])
    reader = SpoolReader(tmp_path / "w")
    assert steps(drain(reader)) == [0, 1]
    assert reader.read() is None
    segment.write_bytes(whole)
    assert steps(drain(reader)) == [2]


def test_a_segment_torn_for_good_gives_way_to_the_next_one(tmp_path: Path) -> None:
    writer = spooled(tmp_path / "w", 3)
    (segment,) = (tmp_path / "w").glob("*.spool")
    with segment.open("ab") as file:
        file.write(b"\x20\x00\x00\x00torn")
    writer._next_segment()
    writer.append_row({"a": 3}, 3, 1000)
    writer.close()
    chunks = drain(SpoolReader(tmp_path / "w"))
    assert steps(chunks) == [0, 1, 2, 3]
    assert sum(chunk.lost_seqs for chunk in chunks) == 0


@pytest.mark.parametrize("place", ["length", "checksum", "body"])
def test_damage_in_the_middle_is_reported_with_the_frames_it_cost(tmp_path: Path, place: str) -> None:
    spooled(tmp_path / "w", 60, segment_max_bytes=600).close()
    segments = sorted((tmp_path / "w").glob("*.spool"))
    damaged = bytearray(segments[1].read_bytes())
    rows = scan(bytes(damaged), SEGMENT_HEADER.size)[0][1]
    body = rows.start + 4 * (rows.size + 8)
    damaged[{"length": body - 7, "checksum": body - 2, "body": body + 20}[place]] ^= 0xFF
    segments[1].write_bytes(damaged)
    chunks = drain(SpoolReader(tmp_path / "w"))
    found = steps(chunks)
    lost = sum(chunk.lost_seqs for chunk in chunks)
    assert sum(chunk.damaged_bytes for chunk in chunks) > 0
    assert lost > 0
    assert found == sorted(found)
    assert len(found) + lost == 60
    assert found[-1] == 59


def test_damage_at_the_end_is_reported_in_the_end(tmp_path: Path) -> None:
    spooled(tmp_path / "w", 3).close()
    (segment,) = (tmp_path / "w").glob("*.spool")
    with segment.open("ab") as file:
        file.write(b"\xff" * 50)
    reader = SpoolReader(tmp_path / "w")
    damaged = 0
    for _ in range(100):
        chunk = reader.read()
        damaged += chunk.damaged_bytes if chunk else 0
    assert damaged == 50


def test_a_frame_larger_than_the_window_is_read(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "w", {})
    writer.append_row({f"k{index}": index for index in range(1000)}, 0, 1000)
    writer.close()
    reader = SpoolReader(tmp_path / "w")
    chunks = []
    while (chunk := reader.read(max_bytes=100)) is not None:
        chunks.append(chunk)
    assert sum(chunk.points for chunk in chunks) == 1000


def test_only_segments_that_are_acked_to_their_end_may_go(tmp_path: Path) -> None:
    spooled(tmp_path / "w", 60, segment_max_bytes=600).close()
    reader = SpoolReader(tmp_path / "w")
    drain(reader)
    segments = sorted((tmp_path / "w").glob("*.spool"))
    firsts = [SEGMENT_HEADER.unpack(path.read_bytes()[: SEGMENT_HEADER.size])[3] for path in segments]
    assert reader.acked_segments(firsts[1] - 2) == []
    assert reader.acked_segments(firsts[1] - 1) == segments[:1]
    assert reader.acked_segments(10_000) == segments[:-1]


def test_more_is_there_exactly_when_a_read_would_find_it(tmp_path: Path) -> None:
    writer = spooled(tmp_path / "w", 0, segment_max_bytes=300)
    reader = SpoolReader(tmp_path / "w")
    for step in range(50):  # over several segments
        writer.append_row({"a": step}, step, 1000)
        assert reader.has_more()
        assert drain(reader)
        assert not reader.has_more()
    writer.close()


def test_a_torn_end_is_more_only_when_it_grows(tmp_path: Path) -> None:
    writer = spooled(tmp_path / "w", 3)
    segment = tmp_path / "w" / "00000001.spool"
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-1])
    reader = SpoolReader(tmp_path / "w")
    drain(reader)
    assert not reader.has_more()
    segment.write_bytes(whole)
    assert reader.has_more()
    assert steps(drain(reader)) == [2]
    writer.close()
