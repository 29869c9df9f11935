"""``runstream.plot``: plots that are more than a metric over steps, each a table and how to draw it.

    run.log({"roc": runstream.plot.roc_curve(y_true, y_probas, labels=["cat", "dog"])})

``split_table`` is accepted for wandb code: the table always stands beside the plot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from runstream.errors import InvalidField
from runstream.values import curves
from runstream.values.arrays import as_array
from runstream.values.chart import Chart
from runstream.values.table import Table

__all__ = ["bar", "confusion_matrix", "histogram", "line", "line_series", "pr_curve", "roc_curve", "scatter"]


def line(table: Table, x: str, y: str, stroke: str | None = None, title: str = "", split_table: bool = False) -> Chart:
    """A line through the rows of a table; with ``stroke``, one for each value of that column."""
    return Chart("line", table, {"x": x, "y": y, "series": stroke}, title)


def scatter(table: Table, x: str, y: str, title: str = "", split_table: bool = False) -> Chart:
    """A point a row."""
    return Chart("scatter", table, {"x": x, "y": y}, title)


def bar(table: Table, label: str, value: str, title: str = "", split_table: bool = False) -> Chart:
    """A bar a row."""
    return Chart("bar", table, {"label": label, "value": value}, title)


def histogram(table: Table, value: str, title: str = "", split_table: bool = False) -> Chart:
    """How the numbers of a column are distributed."""
    return Chart("histogram", table, {"value": value}, title)


def line_series(
    xs: Iterable[Any],
    ys: Iterable[Iterable[Any]],
    keys: Iterable[Any] | None = None,
    title: str = "",
    xname: str = "x",
    split_table: bool = False,
) -> Chart:
    """Several lines in one plot.

    Args:
        xs: x of every line, or a list of such lists, one a line.
        ys: y of each line.
        keys: names of the lines; ``line_0``, ``line_1`` … without them.
        title: text above the plot.
        xname: title of the x axis.
        split_table: see the module.

    Raises:
        InvalidField: not as many x, y and names as lines and points.
    """
    lines = [_listed(each) for each in ys]
    positions = _listed(xs)
    is_shared = not positions or not (hasattr(positions[0], "__iter__") and not isinstance(positions[0], str))
    all_xs = [positions] * len(lines) if is_shared else [_listed(each) for each in positions]
    names = [f"line_{index}" for index in range(len(lines))] if keys is None else [str(key) for key in keys]
    for field, given in (("xs", all_xs), ("keys", names)):
        if len(given) != len(lines):
            raise InvalidField(field, f"has {len(given)} entries for {len(lines)} lines")
    for name, x, y in zip(names, all_xs, lines, strict=True):
        if len(x) != len(y):
            raise InvalidField("xs", f"line {name!r} has {len(x)} x and {len(y)} y")
    rows = [[a, name, b] for name, x, y in zip(names, all_xs, lines, strict=True) for a, b in zip(x, y, strict=True)]
    fields = {"x": "x", "y": "y", "series": "series"}
    return Chart("line", Table(["x", "series", "y"], rows), fields, title, {"x": str(xname)})


def confusion_matrix(
    probs: Any = None,
    y_true: Sequence[Any] | None = None,
    preds: Sequence[Any] | None = None,
    class_names: Sequence[str] | None = None,
    title: str = "Confusion Matrix Curve",
    split_table: bool = False,
) -> Chart:
    """How often each class was taken for each other.

    Args:
        probs: scores ``N × C``; the predicted class is the highest. Or give ``preds``.
        y_true: true classes: integers that count ``class_names``, or names.
        preds: predicted classes, likewise.
        class_names: names of the classes; those that occur without it.
        title: text above the plot.
        split_table: see the module.

    Raises:
        InvalidField: both or none of ``probs`` and ``preds``, counts that differ, or a class without a name.
    """
    if (probs is None) == (preds is None):
        raise InvalidField("preds", "either probs or preds must be given, and not both")
    if y_true is None:
        raise InvalidField("y_true", "must be given")
    if probs is not None:
        scores = as_array(probs, "probs")
        if scores.ndim != 2 or not scores.shape[1]:
            raise InvalidField("probs", f"must be N × C, its shape is {scores.shape}")
        preds = scores.argmax(axis=1).tolist()
    rows = curves.confusion(_listed(y_true), _listed(preds), class_names)
    table = Table(["Actual", "Predicted", "nPredictions"], rows)
    fields = {"actual": "Actual", "predicted": "Predicted", "count": "nPredictions"}
    return Chart("confusion_matrix", table, fields, title)


def roc_curve(
    y_true: Sequence[Any],
    y_probas: Any = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[Any] | None = None,
    title: str = "ROC Curve",
    split_table: bool = False,
) -> Chart:
    """True over false positive rate, a line a class against all others.

    Args:
        y_true: true classes.
        y_probas: scores ``N × C``, or ``N`` for the second of two classes; see ``curves.scores_by_class``.
        labels: names of the classes.
        classes_to_plot: classes to keep, as in ``y_true``; all without it.
        title: text above the plot.
        split_table: see the module.

    A class that no row has, or every row, has no curve and is left out.

    Raises:
        InvalidField: shapes or counts do not fit.
    """
    rows = []
    for name, each, is_positive, scores in curves.scores_by_class(_listed(y_true), y_probas, labels):
        if classes_to_plot is None or each in classes_to_plot:
            fpr, tpr = curves.roc(is_positive, scores)
            rows += [[name, x, y] for x, y in zip(fpr, tpr, strict=True)]
    fields = {"x": "fpr", "y": "tpr", "series": "class"}
    axes = {"x": "False positive rate", "y": "True positive rate"}
    return Chart("roc_curve", Table(["class", "fpr", "tpr"], rows), fields, title, axes)


def pr_curve(
    y_true: Sequence[Any],
    y_probas: Any = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[Any] | None = None,
    interp_size: int = 21,
    title: str = "Precision-Recall Curve",
    split_table: bool = False,
) -> Chart:
    """Precision over recall, a line a class against all others; arguments as of ``roc_curve``.

    ``interp_size`` is how many points of recall a line has, evenly in 0–1; the precision there is the best that is
    reached at that recall or more.
    """
    if interp_size < 2:
        raise InvalidField("interp_size", f"must be at least 2, not {interp_size}")
    rows = []
    for name, each, is_positive, scores in curves.scores_by_class(_listed(y_true), y_probas, labels):
        if classes_to_plot is None or each in classes_to_plot:
            recall, precision = curves.precision_recall(is_positive, scores, interp_size)
            rows += [[name, x, y] for x, y in zip(recall, precision, strict=True)]
    fields = {"x": "recall", "y": "precision", "series": "class"}
    return Chart("pr_curve", Table(["class", "recall", "precision"], rows), fields, title)


def _listed(values: Any) -> list[Any]:
    """A list of an iterable, array or tensor."""
    to_list = getattr(values, "tolist", None)
    found = to_list() if callable(to_list) else list(values)
    return found if isinstance(found, list) else [found]
