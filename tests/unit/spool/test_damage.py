"""Torn at every byte and flipped at every bit: nothing raises, no wrong value comes out, what is gone is counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.spools import Found, read_all, row_body, same, write_spool

from runstream.spool.frame import Kind, NewerVersion, frame, record_frame, schema_frame, segment_header
from runstream.spool.reader import SpoolReader

Directories = pytest.TempPathFactory


@pytest.fixture(autouse=True)
def _short_doubts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runstream.spool.reader._DOUBTS", 3)


def frame_ends(segment: bytes) -> list[int]:
    """Where each frame of a sound segment ends."""
    ends, offset = [], 16
    while offset < len(segment):
        offset += 8 + int.from_bytes(segment[offset : offset + 4], "little")
        ends.append(offset)
    return ends


def is_part_of(found: Found, whole: Found) -> bool:
    """Whether everything found was written, as it was written."""
    return set(found.points) <= set(whole.points) and set(found.records) <= set(whole.records)


def seqs(found: Found) -> set[int]:
    return {point[0] for point in found.points} | {seq for seq, _ in found.records}


def test_torn_at_every_byte_the_whole_frames_come_and_the_rest_once_it_is_there(tmp_path: Path) -> None:
    (source,) = write_spool(tmp_path / "w", 7)
    data, whole = source.read_bytes(), read_all(SpoolReader(tmp_path / "w"))
    (tmp_path / "torn").mkdir()
    segment = tmp_path / "torn" / source.name
    for cut in range(len(data) + 1):
        segment.write_bytes(data[:cut])
        reader = SpoolReader(segment.parent)
        before = read_all(reader, is_final=False)
        frames = sum(end <= cut for end in frame_ends(data))
        assert (before.chunks[-1].last_seq_inclusive if before.chunks else 0) == frames
        with segment.open("ab") as file:
            file.write(data[cut:])
        after = read_all(reader, is_final=False)
        assert before.points + after.points == whole.points
        assert before.records + after.records == whole.records
        assert (before.lost, before.damaged_bytes, after.lost, after.damaged_bytes) == (0, 0, 0, 0)
        reader.close()


def test_a_dead_writers_torn_tail_is_cut_at_any_byte_without_a_gap(tmp_path: Path) -> None:
    (source,) = write_spool(tmp_path / "w", 7)
    data, whole = source.read_bytes(), read_all(SpoolReader(tmp_path / "w"))
    (tmp_path / "torn").mkdir()
    segment = tmp_path / "torn" / source.name
    for cut in range(len(data)):
        segment.write_bytes(data[:cut])
        reader = SpoolReader(segment.parent)
        found = read_all(reader)
        assert (found.lost, found.damaged_bytes) == (0, 0)
        assert found.points == whole.points[: len(found.points)]
        assert reader.finished_segments() == [segment]
        reader.close()


def test_a_segment_torn_at_any_byte_with_another_after_it_costs_exactly_what_was_torn_off(tmp_path: Path) -> None:
    first, *rest = write_spool(tmp_path / "w", 12, segment_max_bytes=250)
    data, whole = first.read_bytes(), read_all(SpoolReader(tmp_path / "w"))
    frames = whole.chunks[-1].last_seq_inclusive
    assert rest
    for cut in range(len(data)):
        first.write_bytes(data[:cut])
        reader = SpoolReader(tmp_path / "w")
        found = read_all(reader)
        answered = sum(chunk.last_seq_inclusive - chunk.first_seq + 1 for chunk in found.chunks)
        assert answered + found.lost == frames
        assert is_part_of(found, whole)
        reader.close()


def test_every_flipped_bit_costs_counted_frames_and_nothing_of_the_next_segment(tmp_path: Path) -> None:
    first, *rest = write_spool(tmp_path / "w", 12, segment_max_bytes=250)
    data, whole = first.read_bytes(), read_all(SpoolReader(tmp_path / "w"))
    frames = whole.chunks[-1].last_seq_inclusive
    in_rest = {seq for seq in seqs(whole) if seq > len(frame_ends(data))}
    assert rest
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            first.write_bytes(flipped)
            reader = SpoolReader(tmp_path / "w")
            found = read_all(reader)
            answered = sum(chunk.last_seq_inclusive - chunk.first_seq + 1 for chunk in found.chunks)
            assert answered + found.lost == frames, (place, bit)
            assert found.lost > 0
            assert found.damaged_bytes > 0
            assert is_part_of(found, whole)
            assert in_rest <= seqs(found)
            reader.close()


def test_every_flipped_bit_of_the_only_segment_is_counted_at_its_end(tmp_path: Path) -> None:
    (segment,) = write_spool(tmp_path / "w", 4)
    data, whole = segment.read_bytes(), read_all(SpoolReader(tmp_path / "w"))
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            segment.write_bytes(flipped)
            reader = SpoolReader(tmp_path / "w")
            if place == 0 and flipped[0] > 1:
                with pytest.raises(NewerVersion, match="version"):
                    reader.read()
                continue
            found = read_all(reader)
            assert is_part_of(found, whole)
            # A length that grew past the end cannot be told from a frame that was being written.
            is_torn = place >= 16 and found.lost == 0
            assert (found.lost, found.damaged_bytes > 0) == ((0, False) if is_torn else (1, True)), (place, bit)
            reader.close()


FLIPS = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 7)), min_size=1, max_size=6)


@given(st.integers(20, 120), st.integers(200, 3000), FLIPS, st.integers(64, 4096), st.integers(0, 60))
def test_random_flips_in_many_segments_are_all_accounted_for(
    tmp_path_factory: Directories, rows: int, size: int, flips: list[tuple[int, int]], window: int, after_seq: int
) -> None:
    directory = tmp_path_factory.mktemp("spool") / "w"
    segments = write_spool(directory, rows, segment_max_bytes=size)
    whole = read_all(SpoolReader(directory))
    frames = whole.chunks[-1].last_seq_inclusive
    contents = [bytearray(path.read_bytes()) for path in segments[:-1]]
    for place, bit in flips:
        if contents:
            content = contents[place % len(contents)]
            content[place // len(contents) % len(content)] ^= 1 << bit
    for path, content in zip(segments, contents, strict=False):
        path.write_bytes(content)
    reader = SpoolReader(directory, after_seq=after_seq)
    found = read_all(reader, max_bytes=window)
    reader.close()
    answered = sum(chunk.last_seq_inclusive - chunk.first_seq + 1 for chunk in found.chunks)
    assert answered + found.lost == max(0, frames - after_seq)
    assert is_part_of(found, whole)


SENSELESS = {
    "a kind of a later version": frame(bytes([9]) + bytes(20)),
    "a schema that is no JSON": frame(bytes([Kind.SCHEMA, 0, 0, 0, 5, 0, 0, 0]) + b"["),
    "a schema of numbers": frame(bytes([Kind.SCHEMA, 0, 0, 0, 5, 0, 0, 0]) + b"[1, 2]"),
    "a schema with a lone surrogate": frame(bytes([Kind.SCHEMA, 0, 0, 0, 5, 0, 0, 0]) + rb'["\ud800"]'),
    "a schema of nothing": schema_frame(5, []),
    "a schema that is deep": frame(bytes([Kind.SCHEMA, 0, 0, 0, 5, 0, 0, 0]) + b"[" * 100_000),
    "a row of an unknown schema": frame(row_body(7, 0, 1.0)),
    "a row of another width": frame(row_body(1, 0, 1.0, 2.0, 3.0)),
    "a row cut short": frame(row_body(1, 0)[:-3]),
    "a record that is no JSON": frame(bytes([Kind.RECORD]) + bytes(7) + b"\xff"),
    "a record in UTF-16": frame(bytes([Kind.RECORD]) + bytes(7) + "{}".encode("utf-16")),
    "a record that is a list": record_frame([1]),
}


@pytest.mark.parametrize("senseless", SENSELESS.values(), ids=SENSELESS.keys())
def test_a_sound_frame_without_sense_is_counted_and_its_neighbours_are_read(tmp_path: Path, senseless: bytes) -> None:
    row = frame(row_body(1, 3, 0.5))
    content = segment_header(1) + schema_frame(1, ["a"]) + row + senseless * 2 + row
    (tmp_path / "00000001.spool").write_bytes(content)
    found = read_all(SpoolReader(tmp_path))
    assert same(found.points, [(2, "a", 3, 0.5), (5, "a", 3, 0.5)])
    assert found.lost == 2
    assert found.chunks[0].senseless_between(1, 3) == 1
    assert read_all(SpoolReader(tmp_path, after_seq=4)).lost == 0


def test_rows_after_a_schema_was_said_anew_have_the_new_keys_and_those_before_the_old(tmp_path: Path) -> None:
    row = frame(row_body(1, 3, 0.5))
    content = segment_header(1) + schema_frame(1, ["a"]) + row + schema_frame(1, ["b"]) + row
    (tmp_path / "00000001.spool").write_bytes(content)
    assert read_all(SpoolReader(tmp_path)).points == [(2, "a", 3, 0.5), (4, "b", 3, 0.5)]


def test_damage_that_was_told_while_the_writer_lived_is_counted_once(tmp_path: Path) -> None:
    first, second, *_ = write_spool(tmp_path / "w", 20, segment_max_bytes=400)
    kept, whole = second.read_bytes(), read_all(SpoolReader(tmp_path / "w"))
    for path in sorted((tmp_path / "w").glob("*.spool"))[1:]:
        path.unlink()
    damaged = bytearray(first.read_bytes())
    damaged[-1] ^= 1
    first.write_bytes(damaged)
    reader = SpoolReader(tmp_path / "w")
    told = [chunk for _ in range(100) if (chunk := reader.read()) is not None]
    assert [chunk.lost_seqs for chunk in told] == [0, 1]
    second.write_bytes(kept)
    later = read_all(reader)
    assert (later.lost, later.damaged_bytes) == (0, 0)
    assert set(later.points) <= set(whole.points)


def test_an_ack_past_the_damage_means_that_it_was_counted(tmp_path: Path) -> None:
    (segment,) = write_spool(tmp_path / "w", 3)
    whole = read_all(SpoolReader(tmp_path / "w")).chunks[-1].last_seq_inclusive
    with segment.open("ab") as file:
        file.write(b"\xff" * 50)
    assert read_all(SpoolReader(tmp_path / "w", after_seq=whole)).lost == 1
    assert read_all(SpoolReader(tmp_path / "w", after_seq=whole + 1)).lost == 0


def test_what_the_disk_itself_cannot_read_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_spool(tmp_path / "w", 20, segment_max_bytes=400)
    reader = SpoolReader(tmp_path / "w")
    first = reader.read(max_bytes=200)
    assert first is not None

    def fail(fd: int, size: int, offset: int) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("runstream.spool.reader.os.pread", fail)
        assert reader.read() is None
    # It was in doubt only: what can be read again is read.
    assert first.last_seq_inclusive + 1 == read_all(reader).chunks[0].first_seq


def test_a_last_segment_without_frames_still_says_what_was_lost_before_it(tmp_path: Path) -> None:
    (segment,) = write_spool(tmp_path / "w", 3)
    frames = read_all(SpoolReader(tmp_path / "w")).chunks[-1].last_seq_inclusive
    segment.write_bytes(segment.read_bytes()[:-1])
    (tmp_path / "w" / "00000002.spool").write_bytes(segment_header(frames + 1))
    assert read_all(SpoolReader(tmp_path / "w")).lost == 1
    assert read_all(SpoolReader(tmp_path / "w"), is_final=False).lost == 0
    assert read_all(SpoolReader(tmp_path / "w", after_seq=frames)).lost == 0
