"""A log that the real wandb wrote offline, whole, torn and damaged; see golden/make_wandb_offline.py."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from zlib import crc32

import pytest
from support.importing import points_of

from runstream.errors import InvalidField
from runstream.importers.wandb import read_runs
from runstream.importers.wandb_log import records

GOLDEN = Path(__file__).parents[1] / "golden" / "wandb_offline.wandb"
HEADER = b":W&B" + struct.pack("<HB", 0xBEE1, 0)


def chunk(kind: int, data: bytes) -> bytes:
    return struct.pack("<IHB", crc32(data, crc32(bytes([kind]))), len(data), kind) + data


def read(log: bytes) -> tuple[list[bytes], list[int]]:
    damages: list[int] = []
    return list(records(log, "x", damages.append)), damages


def test_a_run_of_the_real_wandb() -> None:
    (run,) = read_runs(GOLDEN)
    found = points_of(run)
    assert found["loss"] == {step: 1 / (step + 1) for step in range(100)} | {400: 7.0}
    assert found["nested.acc"] == {step: step / 100 for step in range(100)}
    assert found["flag"] == {step: float(step % 2 == 0) for step in range(100)}
    assert (math.isnan(found["odd"][100]), found["odd"][400]) == (True, math.inf)
    assert (run.points, run.distinct) == (303, 303)
    assert dict(run.skipped) == {"text": 1, "lists": 1, "metric definitions": 1}
    assert (run.id, run.project, run.name, run.notes) == ("goldenid", "golden", "a name", "some notes")
    assert (run.tags, run.group, run.job_type, run.state) == (("one", "two"), "g", "train", "finished")
    assert run.config == {"lr": 0.1, "late": "x" * 10, "model": {"depth": 4, "width": 2}}
    assert run.summary == {"best": {"acc": 0.25}, "loss": {"min": 0.01}}
    assert run.attempt == run.created_ms // 1000
    times = run.columns[0].times_ms
    assert 0 <= times[0] - run.created_ms < 60_000
    assert (times[1:] >= times[:-1]).all()


def test_a_folder_is_searched_and_a_link_is_no_second_run(tmp_path: Path) -> None:
    folder = tmp_path / "wandb" / "offline-run-20231114_000000-goldenid"
    folder.mkdir(parents=True)
    (folder / "run-goldenid.wandb").write_bytes(GOLDEN.read_bytes())
    (tmp_path / "wandb" / "latest-run").symlink_to(folder)
    (tmp_path / "wandb" / "copy.wandb").symlink_to(folder / "run-goldenid.wandb")
    assert [run.id for run in read_runs(tmp_path)] == ["goldenid"]


def test_a_torn_log_is_a_crashed_run_wherever_it_is_torn(tmp_path: Path) -> None:
    log = GOLDEN.read_bytes()
    path = tmp_path / "run.wandb"
    before = 303
    for size in (*range(len(log) - 1, len(log) - 60, -1), *range(len(log) - 60, 1000, -2003)):
        path.write_bytes(log[:size])
        (run,) = read_runs(path)
        assert (run.problems, run.state) == ((), "crashed")
        assert run.points <= before
        before = run.points
    for size in range(len(HEADER) + 1):
        path.write_bytes(log[:size])
        assert list(read_runs(path)) == []


def test_damage_is_a_problem_and_the_next_block_goes_on(tmp_path: Path) -> None:
    log = bytearray(GOLDEN.read_bytes())
    log[20_000] ^= 0x10
    path = tmp_path / "run.wandb"
    path.write_bytes(log)
    (run,) = read_runs(path)
    assert any("damaged at byte" in problem for problem in run.problems)
    assert points_of(run)["loss"][400] == 7.0
    assert 0 < run.points < 303


def test_a_record_over_several_blocks_comes_back_whole() -> None:
    data = bytes(range(256)) * 300
    room = (32 << 10) - 7
    parts = [data[: room - 7], data[room - 7 : 2 * room - 7], data[2 * room - 7 :]]
    log = HEADER + b"".join(chunk(kind, part) for kind, part in zip((2, 3, 4), parts, strict=True))
    assert read(log + chunk(1, b"next")) == ([data, b"next"], [])
    assert read(log[:-1]) == ([], [])


def test_the_end_of_a_block_that_no_chunk_fits_in_is_left_out() -> None:
    first = b"x" * ((32 << 10) - len(HEADER) - 7 - 3)
    assert read(HEADER + chunk(1, first) + b"\0\0\0" + chunk(1, b"next")) == ([first, b"next"], [])


def test_zeros_after_a_power_cut_are_no_damage() -> None:
    assert read(HEADER + chunk(1, b"a") + bytes(100_000)) == ([b"a"], [])


def test_a_part_without_its_first_is_damage() -> None:
    assert read(HEADER + chunk(4, b"a") + chunk(1, b"b")) == ([b"b"], [len(HEADER)])


def test_a_file_that_is_no_log(tmp_path: Path) -> None:
    path = tmp_path / "x.wandb"
    path.write_bytes(b"PK\3\4 something else")
    with pytest.raises(InvalidField, match="is no log of wandb's of version 0"):
        list(read_runs(path))
