"""Rows from arrays are the rows that log() would have written, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runstream.errors import InvalidField
from runstream.spool.bulk import Rows
from runstream.spool.reader import SpoolReader
from runstream.spool.writer import SpoolWriter


def read_all(directory: Path) -> dict[str, dict[int, float]]:
    reader = SpoolReader(directory)
    found: dict[str, dict[int, float]] = {}
    while (chunk := reader.read()) is not None:
        assert (chunk.damaged_bytes, chunk.lost_seqs) == (0, 0)
        for each in chunk.rows:
            for index, key in enumerate(each.keys):
                found.setdefault(key, {}).update(zip(each.steps.tolist(), each.values[:, index].tolist(), strict=True))
    reader.close()
    return found


def test_the_bytes_are_those_of_single_rows(tmp_path: Path) -> None:
    steps = np.array([5, -3, 7, 7])
    data = {"a": np.array([1.5, np.nan, np.inf, -0.0]), "b": np.array([1, 0, 1, 1], bool)}
    bulk, single = (SpoolWriter(tmp_path / name, {"run": "x"}) for name in ("bulk", "single"))
    rows = Rows.of(steps, data, None, now_ms=99)
    with bulk.lock:
        rows.append_to(bulk)
        rows.append_to(bulk)
    for _ in range(2):
        for index, step in enumerate(steps.tolist()):
            single.append_row({key: float(column[index]) for key, column in data.items()}, step, 99)
    assert bulk.sent_points == single.sent_points == 16
    assert bulk.latest() == single.latest() == {"a": -0.0, "b": 1.0}
    bulk.close()
    single.close()
    assert (tmp_path / "bulk/00000001.spool").read_bytes() == (tmp_path / "single/00000001.spool").read_bytes()


def test_segments_roll_and_single_rows_go_between(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "w", {"run": "x"}, segment_max_bytes=100_000)
    count = 50_000
    rows = Rows.of(np.arange(count), {"a": np.arange(count) * 0.5}, np.arange(count), now_ms=0)
    rows.append_to(writer)
    writer.append_row({"a": 7.0}, count, 0)
    writer.close()
    assert len(list((tmp_path / "w").glob("*.spool"))) > 1
    assert read_all(tmp_path / "w") == {"a": {step: step * 0.5 for step in range(count)} | {count: 7.0}}


def test_no_room_is_counted(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "w", {"run": "x"}, max_bytes=1 << 20)
    count = 200_000
    Rows.of(np.arange(count), {"a": np.zeros(count)}, None, now_ms=0).append_to(writer)
    assert writer.all_sent_points == count
    lost = writer.unreported_points
    writer.close()
    assert 0 < lost < count
    assert len(read_all(tmp_path / "w")["a"]) == count - lost


def test_keys_that_cannot_be_are_refused_and_the_others_kept(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "w", {"run": "x"})
    Rows.of([0, 1], {"a": [1, 2], "b\n": [3, 4]}, None, now_ms=0).append_to(writer)
    assert [(entry.reason, entry.count) for entry in writer.flush_refusals()] == [("KEY_CHARACTERS", 2)]
    writer.close()
    assert read_all(tmp_path / "w") == {"a": {0: 1.0, 1: 2.0}}


@pytest.mark.parametrize(
    ("steps", "data", "field"),
    [
        ([0, 1], {"a": [1]}, "a"),
        ([0, 1], {"a": ["x", "y"]}, "a"),
        ([0.5, 1], {"a": [1, 2]}, "steps"),
        ([[0], [1]], {"a": [1, 2]}, "steps"),
        ([0], {"a": [[1]]}, "a"),
        ([0], [1], "data"),
    ],
)
def test_what_cannot_be_is_named(steps: Any, data: Any, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        Rows.of(steps, data, None, now_ms=0)
    assert caught.value.field == field
