"""What does not belong into a writer's directory costs no row and ends no reader."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.spools import read_all, write_spool

from runstream.spool.frame import NewerVersion, segment_header
from runstream.spool.reader import SpoolReader

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
CONTENTS = {
    "PNG": PNG,
    "zeros": bytes(4096),
    "text": b"remember to buy milk\n",
    "version 0": b"\x00" + segment_header(9)[1:],
    "version 2": b"\x02" + segment_header(9)[1:],
    "sequence 0": segment_header(1)[:8] + bytes(8),
    "sequence past all": b"\x01RSP\x00\x00\x00\x00" + b"\xff" * 8,
    "another sequence than its checksum says": segment_header(9)[:8] + segment_header(10)[8:],
}
NAMES = [
    "notes.spool",
    "1.spool",
    "-0000001.spool",
    "0000000x.spool",
    "００００００09.spool",
    "00000009.spool.bak",
    ".spool",
]


def link_to(path: Path) -> Callable[[Path], None]:
    return lambda made: made.symlink_to(path)


ODD = {
    "a directory": Path.mkdir,
    "a pipe": os.mkfifo,
    "a dangling link": link_to(Path("nowhere")),
    "a link to a directory": link_to(Path()),
    "a link to another segment": link_to(Path("00000001.spool")),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_whose_name_is_no_segments_is_not_looked_at(tmp_path: Path, name: str) -> None:
    write_spool(tmp_path / "w", 10)
    whole = read_all(SpoolReader(tmp_path / "w"))
    (tmp_path / "w" / name).write_bytes(PNG)
    reader = SpoolReader(tmp_path / "w")
    found = read_all(reader)
    assert (found.points, found.lost, found.damaged_bytes) == (whole.points, 0, 0)
    assert (tmp_path / "w" / name) not in reader.finished_segments()


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_foreign_content_after_a_dead_writers_segments_is_one_gap_and_is_kept(tmp_path: Path, content: bytes) -> None:
    write_spool(tmp_path / "w", 10)
    whole = read_all(SpoolReader(tmp_path / "w"))
    foreign = tmp_path / "w" / "00000009.spool"
    foreign.write_bytes(content)
    reader = SpoolReader(tmp_path / "w")
    found = read_all(reader)
    assert (found.points, found.lost, found.damaged_bytes) == (whole.points, 1, len(content))
    assert foreign not in reader.finished_segments()


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_foreign_content_before_a_live_writers_next_segment_does_not_hide_it(tmp_path: Path, content: bytes) -> None:
    first, *later = write_spool(tmp_path / "w", 40, segment_max_bytes=300)
    kept = [(path, path.read_bytes()) for path in later]
    whole = read_all(SpoolReader(tmp_path / "w"))
    for path in later:
        path.unlink()
    (tmp_path / "w" / "99999999.spool").write_bytes(content)
    reader = SpoolReader(tmp_path / "w")
    points = read_all(reader, is_final=False).points
    for path, segment in kept:
        path.write_bytes(segment)
        points += read_all(reader, is_final=False).points
    assert first.exists()
    assert points == whole.points


@pytest.mark.parametrize("content", [b"", b"\x01RSP", *CONTENTS.values()], ids=["empty", "short", *CONTENTS])
def test_foreign_content_in_a_segments_place_costs_that_segment_only(tmp_path: Path, content: bytes) -> None:
    segments = write_spool(tmp_path / "w", 40, segment_max_bytes=300)
    frames = read_all(SpoolReader(tmp_path / "w")).chunks[-1].last_seq_inclusive
    starts = [int.from_bytes(path.read_bytes()[8:16], "little") for path in segments]
    segments[1].write_bytes(content)
    reader = SpoolReader(tmp_path / "w")
    found = read_all(reader)
    assert found.lost == starts[2] - starts[1]
    assert found.damaged_bytes == len(content)
    answered = sum(chunk.last_seq_inclusive - chunk.first_seq + 1 for chunk in found.chunks)
    assert answered + found.lost == frames


@pytest.mark.parametrize("make", ODD.values(), ids=ODD.keys())
def test_what_is_no_regular_file_is_one_gap_and_holds_nobody_up(tmp_path: Path, make: Callable[[Path], None]) -> None:
    write_spool(tmp_path / "w", 10)
    whole = read_all(SpoolReader(tmp_path / "w"))
    odd = tmp_path / "w" / "00000002.spool"
    make(odd)
    reader = SpoolReader(tmp_path / "w")
    found = read_all(reader)
    assert (found.points, found.lost) == (whole.points, 1)
    assert odd not in reader.finished_segments()
    assert reader.acked_segments(10_000) == []


def test_an_unreadable_file_is_one_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_spool(tmp_path / "w", 10)
    whole = read_all(SpoolReader(tmp_path / "w"))
    locked = tmp_path / "w" / "00000002.spool"
    locked.write_bytes(segment_header(99))
    real_open = os.open

    def refuse(path: object, *args: int) -> int:  # root, who runs CI, may read everything
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return real_open(path, *args)  # type: ignore[arg-type]

    monkeypatch.setattr("runstream.spool.segments.os.open", refuse)
    found = read_all(SpoolReader(tmp_path / "w"))
    assert (found.points, found.lost) == (whole.points, 1)


def test_a_copy_of_an_earlier_segment_is_not_read_twice(tmp_path: Path) -> None:
    segments = write_spool(tmp_path / "w", 40, segment_max_bytes=300)
    whole = read_all(SpoolReader(tmp_path / "w"))
    copy = tmp_path / "w" / "00009999.spool"
    copy.write_bytes(segments[0].read_bytes())
    reader = SpoolReader(tmp_path / "w")
    assert read_all(reader).points == whole.points
    assert copy not in reader.finished_segments()
    assert segments[-1] not in reader.acked_segments(2)


def test_a_spool_of_a_later_version_is_said_to_be_one(tmp_path: Path) -> None:
    for path in write_spool(tmp_path / "w", 40, segment_max_bytes=300):
        path.write_bytes(b"\x02" + path.read_bytes()[1:])
    with pytest.raises(NewerVersion, match="version 2"):
        SpoolReader(tmp_path / "w").read()
