"""CSV files: which column means what, and errors that name the place."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from support.importing import points_of

from runstream.errors import InvalidField
from runstream.importers.csv_files import read_runs


def written(tmp_path: Path, text: str, name: str = "exp.csv") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_a_file_is_a_run_with_steps_times_and_keys(tmp_path: Path) -> None:
    header = "Step,Wall time,loss,note,acc\n"
    text = header + "0,1700000000.5,1.5,warm,\n10.0,1700000001,nan,,0.5\n\n20,2023-11-14T22:13:22Z,inf,x,true\n"
    (run,) = read_runs(written(tmp_path, text))
    assert run.id.startswith("exp-")
    assert run.name == "exp"
    found = points_of(run)
    assert (found["loss"][0], found["loss"][20]) == (1.5, math.inf)
    assert math.isnan(found["loss"][10])
    assert found["acc"] == {10: 0.5, 20: 1.0}
    assert run.columns[0].times_ms.tolist() == [1_700_000_000_500, 1_700_000_001_000, 1_700_000_002_000]
    assert (run.points, run.skipped, run.created_ms) == (5, {"text": 2}, 1_700_000_000_500)


def test_without_a_step_rows_count_and_with_a_run_column_each_run_counts_its_own(tmp_path: Path) -> None:
    a, b = read_runs(written(tmp_path, "run,loss\na,1\nb,2\na,3\n"))
    assert (a.name, points_of(a)) == ("a", {"loss": {0: 1.0, 1: 3.0}})
    assert (b.name, points_of(b)) == ("b", {"loss": {0: 2.0}})


def test_a_step_that_is_said_again_is_counted_as_such(tmp_path: Path) -> None:
    (run,) = read_runs(written(tmp_path, "step,loss\n1,1\n1,2\n2,3\n"))
    assert (run.points, run.distinct) == (3, 2)


def test_ids_are_the_sources_own_and_stay(tmp_path: Path) -> None:
    written(tmp_path, "loss\n1\n", "one/metrics.csv")
    written(tmp_path, "loss\n1\n", "two/metrics.csv")
    before = [run.id for run in read_runs(tmp_path)]
    written(tmp_path, "loss\n1\n2\n", "two/metrics.csv")
    assert [run.id for run in read_runs(tmp_path)] == before
    assert len(set(before)) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("step,loss\n1,2\n2,abc\n", "line 3, column 'loss': must be a number as in the rows before, not 'abc'"),
        ("step,loss\n1.5,2\n", "line 2, column 'step': must be an integer, not '1.5'"),
        ("step,loss\n,2\n", "line 2, column 'step': must be an integer, not ''"),
        ("step,loss\n99999999999999999999,2\n", "line 2: step or time does not fit 64 bits"),
        ("time,loss\nlater,2\n", "line 2, column 'time': must be seconds since 1970"),
        ("time,loss\nnan,2\n", "line 2, column 'time': must be seconds since 1970"),
        ("loss,loss\n1,2\n", "line 1, column 'loss': two columns have this name"),
        ("loss\n1,2\n", "line 2: the row has 2 cells, the header 1"),
        ('loss,note\n1,"a\nb"\nx,c\n', "line 4, column 'loss'"),
    ],
)
def test_what_cannot_be_is_named_with_file_line_and_column(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InvalidField) as caught:
        list(read_runs(path))
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"loss\n\xff\xfe\x00\n")
    with pytest.raises(InvalidField, match="is no CSV file of UTF-8"):
        list(read_runs(path))
