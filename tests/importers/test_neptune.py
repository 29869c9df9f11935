"""Parquet files with the columns that neptune-exporter documents."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.importing import points_of

from runstream.errors import InvalidField, SetupError
from runstream.importers.neptune import read_runs

SCHEMA = pa.schema(
    {
        "project_id": pa.string(),
        "run_id": pa.string(),
        "attribute_path": pa.string(),
        "attribute_type": pa.string(),
        "step": pa.decimal128(18, 6),
        "timestamp": pa.timestamp("ms", "UTC"),
        "int_value": pa.int64(),
        "float_value": pa.float64(),
        "string_value": pa.string(),
        "bool_value": pa.bool_(),
        "datetime_value": pa.timestamp("ms", "UTC"),
        "string_set_value": pa.list_(pa.string()),
        "file_value": pa.struct({"path": pa.string()}),
        "histogram_value": pa.struct(
            {"type": pa.string(), "edges": pa.list_(pa.float64()), "values": pa.list_(pa.float64())}
        ),
    }
)
T = datetime(2024, 5, 1, tzinfo=UTC)


def row(path: str, kind: str, run: str = "RUN-1", **values: Any) -> dict[str, Any]:
    return {"project_id": "team/digits", "run_id": run, "attribute_path": path, "attribute_type": kind, **values}


def point(path: str, step: str, value: float, run: str = "RUN-1") -> dict[str, Any]:
    return row(path, "float_series", run, step=Decimal(step), timestamp=T, float_value=value)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), path)
    return path


def test_a_run_over_several_parts(tmp_path: Path) -> None:
    write(
        tmp_path / "digits-1a2b" / "RUN-1_part_0.parquet",
        row("sys/name", "string", string_value="a name"),
        row("sys/description", "string", string_value="notes"),
        row("sys/tags", "string_set", string_set_value=["one", "two"]),
        row("sys/creation_time", "datetime", datetime_value=T),
        row("sys/failed", "bool", bool_value=True),
        row("params/lr", "float", float_value=0.5),
        row("params/bs", "int", int_value=32),
        row("params/day", "datetime", datetime_value=T),
        *(point("metrics/loss", f"{step}.000000", step / 4) for step in range(20)),
        row("text", "string_series", step=Decimal(1), string_value="hello"),
        row("model", "file", file_value={"path": "x"}),
    )
    write(tmp_path / "digits-1a2b" / "RUN-1_part_10.parquet", point("metrics/loss", "3", 9.0))
    write(tmp_path / "digits-1a2b" / "RUN-1_part_2.parquet", point("metrics/loss", "3", 8.0),
          point("metrics/odd", "0", math.inf))  # fmt: skip
    write(tmp_path / "digits-1a2b" / "RUN-2_part_0.parquet", point("metrics/loss", "0", 1.0, "RUN-2"))
    one, two = read_runs(tmp_path)
    assert (one.id, one.project, one.name, one.notes) == ("RUN-1", "team-digits", "a name", "notes")
    assert (one.tags, one.state, one.created_ms) == (("one", "two"), "failed", 1_714_521_600_000)
    assert one.config == {"params/lr": 0.5, "params/bs": 32, "params/day": T}
    assert points_of(one) == {
        "metrics/loss": {step: step / 4 for step in range(20)} | {3: 9.0},
        "metrics/odd": {0: math.inf},
    }
    assert (one.points, one.distinct, dict(one.skipped)) == (23, 21, {"string_series": 1, "file": 1})
    assert (two.id, two.name, two.state, points_of(two)) == ("RUN-2", "RUN-2", "finished", {"metrics/loss": {0: 1.0}})


def test_parts_of_many_runs(tmp_path: Path) -> None:
    write(tmp_path / "part_0.parquet", point("a", "0", 1.0), point("a", "0", 2.0, "RUN-2"))
    write(tmp_path / "part_1.parquet", point("a", "1", 3.0, "RUN-2"))
    assert [points_of(run) for run in read_runs(tmp_path)] == [{"a": {0: 1.0}}, {"a": {0: 2.0, 1: 3.0}}]


def test_decimal_steps_need_a_multiplier(tmp_path: Path) -> None:
    path = write(tmp_path / "RUN-1_part_0.parquet", point("a", "0.5", 1.0))
    with pytest.raises(InvalidField, match=r"run RUN-1, a: step 0\.5 times 1 is no integer; give a --step-multiplier"):
        list(read_runs(path))
    (run,) = read_runs(path, step_multiplier=10)
    assert points_of(run) == {"a": {5: 1.0}}


def test_files_that_are_none_of_the_exporters(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("hello")
    with pytest.raises(InvalidField, match=r"x\.parquet: cannot be read as a parquet file"):
        list(read_runs(path))
    pq.write_table(pa.table({"run_id": ["a"]}), path)
    with pytest.raises(InvalidField, match=r"has no column 'attribute_path'"):
        list(read_runs(path))


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.parquet", point("a", "0", 1.0))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SetupError, match="pip install pyarrow"):
        list(read_runs(path))
