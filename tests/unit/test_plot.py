"""Plots: a table, and which of its columns plays which part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.files import logged
from support.tensors import Tensor

import runstream
from runstream.errors import InvalidField
from runstream.values.chart import Chart
from runstream.values.table import Table

TABLE = Table(["step", "loss", "run"], [[0, 1.5, "a"], [1, 0.5, "b"]])


def drawn(chart: Chart) -> tuple[dict[str, Any], list[list[Any]]]:
    """The description without the table, and the table's rows."""
    entry, files = logged(chart, "chart", 3)
    table = entry.pop("table")
    assert entry.pop("_type") == "custom-chart"
    assert table["path"].startswith("media/table/chart_table_3_")
    rows: list[list[Any]] = files.json_of(table)["data"]
    return entry, rows


@pytest.mark.parametrize(
    ("chart", "kind", "fields"),
    [
        (runstream.plot.line(TABLE, "step", "loss"), "line", {"x": "step", "y": "loss"}),
        (
            runstream.plot.line(TABLE, "step", "loss", stroke="run"),
            "line",
            {"x": "step", "y": "loss", "series": "run"},
        ),
        (runstream.plot.scatter(TABLE, x="step", y="loss", split_table=True), "scatter", {"x": "step", "y": "loss"}),
        (runstream.plot.bar(TABLE, "run", "loss"), "bar", {"label": "run", "value": "loss"}),
        (runstream.plot.histogram(TABLE, value="loss"), "histogram", {"value": "loss"}),
    ],
)
def test_plots_of_a_table(chart: Chart, kind: str, fields: dict[str, str]) -> None:
    assert drawn(chart) == ({"chart": kind, "fields": fields, "title": "", "axes": {}}, TABLE.data)


def test_lines_share_x_or_have_their_own() -> None:
    entry, rows = drawn(runstream.plot.line_series([0, 1], [[1, 2], [3, 4]], ["a", "b"], "losses", "epoch"))
    assert entry == {
        "chart": "line",
        "fields": {"x": "x", "y": "y", "series": "series"},
        "title": "losses",
        "axes": {"x": "epoch"},
    }
    assert rows == [[0, "a", 1], [1, "a", 2], [0, "b", 3], [1, "b", 4]]
    own = runstream.plot.line_series(iter([np.array([0, 1]), (5,)]), [Tensor([1.0, 2.0]), iter([3])])
    assert drawn(own)[1] == [[0, "line_0", 1.0], [1, "line_0", 2.0], [5, "line_1", 3]]
    assert drawn(runstream.plot.line_series([], []))[1] == []


def test_confusion_matrices() -> None:
    entry, rows = drawn(
        runstream.plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 0, 1], class_names=["cat", "dog"], title="pets")
    )
    assert entry == {
        "chart": "confusion_matrix",
        "fields": {"actual": "Actual", "predicted": "Predicted", "count": "nPredictions"},
        "title": "pets",
        "axes": {},
    }
    assert rows == [["cat", "cat", 1], ["cat", "dog", 0], ["dog", "cat", 1], ["dog", "dog", 1]]
    scores = Tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], on_graph=True)
    chart = runstream.plot.confusion_matrix(scores, Tensor([0, 1, 1]), class_names=["cat", "dog"])  # type: ignore[arg-type]
    assert drawn(chart)[1] == rows


def test_curves_have_a_line_a_class() -> None:
    truth, scores = [0, 0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]]
    entry, rows = drawn(runstream.plot.roc_curve(truth, scores, labels=["cat", "dog"]))
    assert (entry["chart"], entry["fields"]) == ("roc_curve", {"x": "fpr", "y": "tpr", "series": "class"})
    assert [row[1:] for row in rows if row[0] == "dog"] == [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]
    entry, rows = drawn(runstream.plot.pr_curve(truth, scores, classes_to_plot=[1], interp_size=3))
    assert (entry["chart"], entry["fields"]) == ("pr_curve", {"x": "recall", "y": "precision", "series": "class"})
    assert rows == [["1", 0, 1], ["1", 0.5, 1], ["1", 1, pytest.approx(2 / 3)]]
    assert drawn(runstream.plot.roc_curve([1, 1], [0.5, 0.6]))[1] == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: runstream.plot.line(TABLE, "epoch", "loss"),
            "x: there is no column 'epoch'; columns: step, loss, run",
        ),
        (lambda: runstream.plot.bar([[1]], "a", "b"), "table: must be a runstream.Table, not list"),  # type: ignore[arg-type]
        (lambda: runstream.plot.line_series([0, 1], [[1]]), "xs: line 'line_0' has 2 x and 1 y"),
        (lambda: runstream.plot.line_series([0], [[1]], ["a", "b"]), "keys: has 2 entries for 1 lines"),
        (lambda: runstream.plot.line_series([[0]], [[1], [2]]), "xs: has 1 entries for 2 lines"),
        (lambda: runstream.plot.confusion_matrix(y_true=[0]), "either probs or preds must be given, and not both"),
        (lambda: runstream.plot.confusion_matrix(preds=[0]), "y_true: must be given"),
        (lambda: runstream.plot.confusion_matrix([0.5], [0]), r"probs: must be N × C, its shape is \(1,\)"),
        (lambda: runstream.plot.pr_curve([0, 1], [0, 1], interp_size=1), "interp_size: must be at least 2, not 1"),
    ],
)
def test_arguments_that_cannot_be_are_named(make: Any, message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        make()
