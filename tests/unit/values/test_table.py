"""Tables: typed columns whose errors name row and column, every source and log mode, and 100,000 rows at once."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.files import MemoryFiles, logged
from support.tensors import Tensor

from runstream.errors import InvalidField
from runstream.values.group import Group
from runstream.values.image import Image
from runstream.values.table import Table

matplotlib.use("agg")
PIXELS = np.zeros((2, 2, 3), np.uint8)


def content(table: Table) -> dict[str, Any]:
    entry, files = logged(table)
    found: dict[str, Any] = files.json_of(entry)
    return found


def test_the_json_is_that_of_wandb() -> None:
    entry, files = logged(Table(columns=["text", "score"], data=[["é", 1], ["b", 0.5]]), "eval/table", 3)
    assert entry.pop("path") == f"media/table/eval/table_3_{entry.pop('sha256')[:20]}.table.json"
    assert entry.pop("size") == len(next(iter(files.content.values())))
    assert entry == {"_type": "table-file", "ncols": 2, "nrows": 2, "log_mode": "IMMUTABLE"}
    assert json.loads(next(iter(files.content.values()))) == {
        "columns": ["text", "score"],
        "column_types": {"text": "string", "score": "number"},
        "data": [["é", 1], ["b", 0.5]],
    }


def test_an_empty_table_has_the_columns_of_wandb() -> None:
    assert content(Table()) == {
        "columns": ["Input", "Output", "Expected"],
        "column_types": {"Input": "any", "Output": "any", "Expected": "any"},
        "data": [],
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {"columns": ["a", "b"], "data": [[1, "x"], (2, "y")]},
        {"columns": ["a", "b"], "rows": [[1, "x"], [2, "y"]]},
        {"data": [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]},
        {"columns": ["a", "b"], "data": np.array([[1, "x"], [2, "y"]], object)},
        {"dataframe": pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})},
        {"data": pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})},
    ],
)
def test_sources(arguments: dict[str, Any]) -> None:
    found = content(Table(**arguments))
    assert found == {
        "columns": ["a", "b"],
        "column_types": {"a": "number", "b": "string"},
        "data": [[1, "x"], [2, "y"]],
    }


CELLS: dict[str, tuple[Any, str, Any]] = {
    "int": (3, "number", 3),
    "huge int": (1 << 80, "number", 1 << 80),
    "nan": (float("nan"), "number", "NaN"),
    "numpy float": (np.float32(0.5), "number", 0.5),
    "numpy float64": (np.float64("inf"), "number", "Infinity"),
    "numpy int": (np.int64(3), "number", 3),
    "numpy bool": (np.bool_(True), "boolean", True),
    "numpy text": (np.str_("x"), "string", "x"),
    "tensor": (Tensor(2.5, on_graph=True), "number", 2.5),
    "decimal": (Decimal("1.5"), "number", 1.5),
    "surrogate": ("\ud800", "string", "?"),
    "date": (datetime.date(2026, 1, 2), "timestamp", "2026-01-02"),
    "numpy time": (np.datetime64("2026-01-02T03:04:05"), "timestamp", "2026-01-02T03:04:05"),
    "array": (np.array([[1, 2]]), "list", [[1, 2]]),
    "tensor array": (Tensor([1.0, 2.0]), "list", [1.0, 2.0]),
    "tuple": ((1, float("nan")), "list", [1, "NaN"]),
    "dict": ({"a": np.int64(1)}, "object", {"a": 1}),
}


@pytest.mark.parametrize("name", CELLS)
def test_kinds_of_cells(name: str) -> None:
    cell, kind, expected = CELLS[name]
    for found in (content(Table(["c"], [[cell]])), content(_added(cell))):
        assert found["column_types"] == {"c": kind}
        assert found["data"] == [[expected]]


def _added(cell: Any) -> Table:
    table = Table(["c"])
    table.add_data(cell)
    return table


def test_rich_values_stand_in_cells() -> None:
    from matplotlib import pyplot

    figure = pyplot.figure()
    pyplot.close(figure)
    cells = [Image(PIXELS), PIL.Image.fromarray(PIXELS), figure, None]
    entry, files = logged(Table(["i", "image"], [[index, cell] for index, cell in enumerate(cells)]), "t", 4)
    found = files.json_of(entry)
    assert found["column_types"] == {"i": "number", "image": "Image"}
    images = [row[1] for row in found["data"]]
    assert [image and image["_type"] for image in images] == ["image-file"] * 3 + [None]
    assert all(image["path"] in files.content for image in images[:3])
    listed = content(Table(["c"], [[[Image(PIXELS), Image(PIXELS)]]]))
    assert listed["data"][0][0]["_type"] == "images/separated"


def refused(*cells: Any, **arguments: Any) -> str:
    """The message of a table whose only column cannot hold these; the same whichever way they come."""
    with pytest.raises(InvalidField) as at_once:
        Table(["first", "c"], [[0, cell] for cell in cells], **arguments)
    table = Table(["first", "c"], **arguments)
    for cell in cells[:-1]:
        table.add_data(0, cell)
    with pytest.raises(InvalidField) as one_by_one:
        table.add_data(0, cells[-1])
    assert str(at_once.value) == str(one_by_one.value)
    return str(one_by_one.value)


def test_a_cell_of_another_kind_is_named() -> None:
    start = "data: row 2, column 'c': "
    assert refused(1, None, "x") == (
        f"{start}is of kind string, but the column holds number; allow_mixed_types=True permits this"
    )
    assert refused("x", "y", 1).startswith(f"{start}is of kind number, but the column holds string")
    assert refused(1, 2, True).startswith(f"{start}is of kind boolean, but the column holds number")
    assert refused(1, 2, Image(PIXELS)).startswith(f"{start}is of kind Image, but the column holds number")
    assert refused(1, 2, [1]).startswith(f"{start}is of kind list, but the column holds number")
    assert refused(1, 2, None, optional=False) == f"{start}is None, but the column is not optional"
    assert refused(1, 2, 1j) == f"{start}holds a complex"
    assert refused(1, 2, b"x") == f"{start}holds a bytes"
    assert refused(1, 2, np.zeros((2, 2), complex)) == f"{start}holds a complex"
    assert "is a Table, which cannot stand in a cell" in refused(Table())
    assert "is a data frame" in refused(pd.DataFrame({"a": [1]}))
    assert "a list of rich values and others" in refused([Image(PIXELS), 1])
    assert "row 0, column 'c': is of kind number, but the column holds string" in refused(1, dtype=[int, str])


def test_mixed_columns_take_anything() -> None:
    table = Table(["c"], [[1], ["x"], [None], [[1]], [Image(PIXELS)]], allow_mixed_types=True)
    table.add_data({"a": 1})
    found = content(table)
    assert found["column_types"] == {"c": "any"}
    assert found["data"][4][0]["_type"] == "image-file"


def test_a_refused_row_leaves_the_table_as_it_was() -> None:
    table = Table(["a", "b"])
    with pytest.raises(InvalidField):
        table.add_data("x", 1j)
    table.add_data(1, 2)
    assert content(table)["data"] == [[1, 2]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ["a", "a"]}, "columns: there are two columns 'a'"),
        ({"columns": ["a"], "data": [[1, 2]]}, "data: row 0 has 2 cells, the table has 1 columns: a"),
        ({"columns": ["a"], "data": ["x"]}, "data: row 0 must be a list of cells, not str"),
        ({"columns": ["a"], "data": [3]}, "data: row 0 must be a list of cells, not int"),
        ({"columns": ["a"], "data": np.zeros(3)}, r"two dimensions, its shape is \(3,\)"),
        ({"data": [[1]], "rows": [[1]]}, "only one of data, rows and dataframe can be given"),
        ({"dataframe": [[1]]}, "dataframe: must be a data frame of pandas or polars, not list"),
        ({"log_mode": "SOMETIMES"}, "log_mode: must be one of IMMUTABLE, MUTABLE, INCREMENTAL, not 'SOMETIMES'"),
        ({"dtype": [int]}, "dtype: has 1 entries for 3 columns"),
        ({"dtype": "colour"}, "dtype: must be a type or one of number, .* not 'colour'"),
        ({"optional": [True]}, "optional: has 1 entries for 3 columns"),
        ({"dataframe": pd.DataFrame([[1, 2]], columns=["a", "a"])}, "there are two columns 'a'"),
    ],
)
def test_arguments_that_cannot_be_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        Table(**arguments)


def test_kinds_can_be_given() -> None:
    table = Table(["a", "b", "c", "d"], dtype=[float, "timestamp", Image, None])
    assert content(table)["column_types"] == {"a": "number", "b": "timestamp", "c": "Image", "d": "any"}
    assert content(Table(["a", "b"], dtype={"b": str}))["column_types"] == {"a": "any", "b": "string"}
    assert content(Table(["a"], dtype=dict))["column_types"] == {"a": "object"}


def test_data_frames_keep_what_is_missing() -> None:
    frame = pd.DataFrame(
        {
            "float": [1.5, np.nan],
            "text": ["x", None],
            "when": pd.to_datetime(["2026-01-02", None]),
            "nullable": pd.array([1, None], dtype="Int64"),
            "nullable float": pd.array([1.5, None], dtype="Float64"),
            "flag": [True, False],
            "class": pd.Categorical(["cat", None]),
            "mixed": pd.Series(["x", np.nan], dtype=object),
            7: [1, 2],
        }
    )
    found = content(Table(dataframe=frame))
    assert dict(zip(found["columns"], zip(*found["data"], strict=True), strict=True)) == {
        "float": (1.5, "NaN"),
        "text": ("x", None),
        "when": ("2026-01-02T00:00:00", None),
        "nullable": (1, None),
        "nullable float": (1.5, None),
        "flag": (True, False),
        "class": ("cat", None),
        "mixed": ("x", None),
        "7": (1, 2),
    }
    assert found["column_types"]["when"] == "timestamp"


def test_columns_come_and_are_read() -> None:
    table = Table(["a"], [[1], [2]])
    table.add_column("b", np.array([0.5, np.nan]))
    table.add_computed_columns(lambda index, row: {"twice": row["a"] * 2, "index": index})
    assert table.columns == ["a", "b", "twice", "index"]
    assert table.get_column("twice") == [2, 4]
    assert table.get_column("a", convert_to="numpy").tolist() == [1, 2]
    assert table.get_index() == [0, 1]
    assert [row[0] for _, row in table.iterrows()] == [1, 2]
    assert table.get_dataframe().columns.tolist() == table.columns
    assert Table(dataframe=table.get_dataframe()).columns == table.columns
    table.add_row(3, None, 6, 2)
    table.add_column(7, [0] * 3)  # type: ignore[arg-type]
    assert table.get_column(7) == [0] * 3  # type: ignore[arg-type]
    assert len(table.data) == 3
    made = Table([])
    made.add_column("x", [1, 2])
    assert content(made)["data"] == [[1], [2]]


def test_columns_that_cannot_be_are_named() -> None:
    table = Table(["a"], [[1], [2]])
    with pytest.raises(InvalidField, match="there is a column 'a' already"):
        table.add_column("a", [1, 2])
    with pytest.raises(InvalidField, match="column 'b' has 1 cells, the table has 2 rows"):
        table.add_column("b", [1])
    with pytest.raises(InvalidField, match="there is no column 'z'; columns: a"):
        table.get_column("z")
    with pytest.raises(InvalidField, match="row 2 has 2 cells, the table has 1 columns: a"):
        table.add_data(1, 2)


def test_a_table_is_logged_as_it_is_then() -> None:
    for mode in ("IMMUTABLE", "MUTABLE"):
        table = Table(["a"], log_mode=mode)  # type: ignore[arg-type]
        table.add_data(1)
        first, _ = logged(table)
        table.add_data(2)
        second, files = logged(table, step=1)
        assert (first["nrows"], second["nrows"], second["log_mode"]) == (1, 2, mode)
        assert files.json_of(second)["data"] == [[1], [2]]


def test_increments_hold_each_row_once() -> None:
    table, files, entries = Table(["a"], log_mode="INCREMENTAL"), MemoryFiles(), []
    for step, added in enumerate([2, 0, 3]):
        for row in range(added):
            table.add_data(step * 10 + row)
        entries.append(table.to_json(files, "t", step))
    assert [files.json_of(entry)["data"] for entry in entries] == [[[0], [1]], [], [[20], [21], [22]]]
    assert [(entry["increment_num"], entry["first_row"], entry["nrows"]) for entry in entries] == [
        (0, 0, 2),
        (1, 2, 0),
        (2, 2, 3),
    ]
    assert {entry["_type"] for entry in entries} == {"incremental-table-file"}
    assert table.to_json(files, "another key", 0)["nrows"] == 5
    with pytest.raises(InvalidField, match="column 'b' comes after rows that were logged without it"):
        table.add_column("b", [0] * 5)


def test_an_increment_that_found_no_room_comes_again() -> None:
    class Full(MemoryFiles):
        def add_bytes(self, data: bytes, path: str, media_type: str, /) -> Any:
            raise OSError(28, "no space left")

    table = Table(["a"], [[1]], log_mode="INCREMENTAL")
    with pytest.raises(OSError, match="no space"):
        table.to_json(Full(), "t", 0)
    entry, files = logged(table)
    assert files.json_of(entry)["data"] == [[1]]


def test_tables_stand_alone() -> None:
    with pytest.raises(InvalidField, match="a Table stands alone"):
        Group([Table(), Table()])


def test_a_hundred_thousand_rows_are_encoded_without_a_step_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain cells take the path through C, which 'fast' means here; no clock is asked."""
    calls = []
    monkeypatch.setattr("runstream.values.table._cell_json", lambda *arguments: calls.append(arguments))
    rows = [[index, index * 0.5, f"text {index}", index % 2 == 0, None] for index in range(100_000)]
    found = content(Table(list("abcde"), rows))
    assert found["data"] == rows
    assert calls == []


CELL = st.none() | st.integers() | st.floats() | st.booleans() | st.text(st.characters(codec="utf-8"))


@given(st.lists(st.lists(CELL, min_size=3, max_size=3)))
def test_what_goes_in_comes_out(rows: list[list[Any]]) -> None:
    at_once = content(Table(list("abc"), rows, allow_mixed_types=True))
    table = Table(list("abc"), allow_mixed_types=True)
    for row in rows:
        table.add_data(*row)
    assert content(table) == at_once
    names = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
    for given_row, found in zip(rows, at_once["data"], strict=True):
        for cell, back in zip(given_row, found, strict=True):
            is_finite_or_other = not isinstance(cell, float) or np.isfinite(cell)
            assert back == cell if is_finite_or_other else str(cell) == names[back]
