"""Data frames and series of real polars. Needs polars."""

from __future__ import annotations

import datetime

import polars
from support.files import logged

import runstream
from runstream.values.rows import split


def test_data_frames_are_tables() -> None:
    frame = polars.DataFrame(
        {
            "number": [1, None],
            "text": ["x", "y"],
            "float": [float("nan"), 1.0],
            "day": [datetime.date(2026, 1, 2), None],
            "list": [[1, 2], [3]],
        }
    )
    entry, files = logged(runstream.Table(dataframe=frame))
    found = files.json_of(entry)
    assert list(found["column_types"].values()) == ["number", "string", "number", "timestamp", "list"]
    assert found["data"] == [[1, "x", "NaN", "2026-01-02", [1, 2]], [None, "y", 1.0, None, [3]]]


def test_rows() -> None:
    found = split({"frame": polars.DataFrame({"a": [1]}), "one": polars.Series([1]), "two": polars.Series([1, 2])})
    assert isinstance(found.rich["frame"], runstream.Table)
    assert found.numbers == {"one": 1.0}
    assert found.rich["two"] == [1, 2]
    assert found.refusals == []
