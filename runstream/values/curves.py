"""Curves and counts that judge classifiers, from true and predicted classes. Pure, by numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from runstream.errors import InvalidField
from runstream.values.arrays import as_array

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# More points than a chart has pixels say nothing more.
MAX_POINTS = 1000


def scores_by_class(
    y_true: Any, y_probas: Any, labels: Sequence[str] | None
) -> Iterator[tuple[str, Any, Array, Array]]:
    """Of each class: its name, itself, ``is_positive: bool[N]`` and ``scores: float64[N]``.

    ``y_probas`` is ``N × C``, or ``N`` for the second of two classes. Column i is class i where the true classes
    are integers in 0 … C - 1, else the i-th of them in order; ``labels`` name the columns.

    Raises:
        InvalidField: shapes or counts do not fit, or a score is NaN.
    """
    import numpy as np

    truth = np.asarray(list(y_true))
    scores = as_array(y_probas, "y_probas").astype(np.float64)
    if truth.ndim != 1 or not len(truth):
        raise InvalidField("y_true", f"must be a list of classes, its shape is {truth.shape}")
    if scores.ndim == 1:
        scores = np.stack([-scores, scores], axis=1)
        columns = [1]
    else:
        columns = list(range(scores.shape[-1]))
    if scores.ndim != 2 or len(scores) != len(truth):
        raise InvalidField("y_probas", f"must be N × C for N = {len(truth)} true classes, its shape is {scores.shape}")
    if np.isnan(scores).any():
        raise InvalidField("y_probas", "has scores that are NaN")
    classes = _classes(truth, scores.shape[1])
    if labels is not None and len(labels) != len(classes):
        raise InvalidField("labels", f"has {len(labels)} names for {len(classes)} classes")
    for column in columns:
        name = str(classes[column] if labels is None else labels[column])
        yield name, classes[column], truth == classes[column], scores[:, column]


def roc(is_positive: Array, scores: Array) -> tuple[list[float], list[float]]:
    """False and true positive rates from (0, 0) to (1, 1), a point for each threshold at which the curve bends.

    Equal scores are one threshold. At most 1,000 points; none without positives or without negatives.
    """
    import numpy as np

    positives, negatives = _cumulated(is_positive, scores)
    if not positives[-1] or not negatives[-1]:
        return [], []
    fpr, tpr = negatives / negatives[-1], positives / positives[-1]
    bends = np.ones(len(fpr), dtype=bool)
    bends[1:-1] = np.diff(negatives[:-1]) * np.diff(positives[1:]) != np.diff(negatives[1:]) * np.diff(positives[:-1])
    kept = np.flatnonzero(bends)
    if len(kept) > MAX_POINTS:
        kept = kept[np.linspace(0, len(kept) - 1, MAX_POINTS).round().astype(int)]
    return fpr[kept].tolist(), tpr[kept].tolist()


def precision_recall(is_positive: Array, scores: Array, points: int) -> tuple[list[float], list[float]]:
    """Recall, even in 0–1, and the best precision that is reached at that recall or more; none without positives."""
    import numpy as np

    positives, negatives = (counts[1:] for counts in _cumulated(is_positive, scores))
    if not len(positives) or not positives[-1]:
        return [], []
    recall = positives / positives[-1]
    best = np.maximum.accumulate((positives / (positives + negatives))[::-1])[::-1]
    wanted = np.linspace(0, 1, points)
    return wanted.tolist(), best[np.searchsorted(recall, wanted - 1e-12)].tolist()


def confusion(
    y_true: Sequence[Any], predicted: Sequence[Any], names: Sequence[str] | None
) -> list[tuple[str, str, int]]:
    """How often each class was taken for each: (actual, predicted, count) for every pair of classes.

    Classes are integers that count ``names``, or names themselves; without ``names``, whatever occurs, in order.

    Raises:
        InvalidField: the lists differ in length, or a class has no name.
    """
    import numpy as np

    truth, guesses = np.asarray(list(y_true)), np.asarray(list(predicted))
    if truth.shape != guesses.shape or truth.ndim != 1:
        raise InvalidField("preds", f"must be as many as y_true, shapes are {guesses.shape} and {truth.shape}")
    if names is None:
        classes = np.union1d(truth, guesses)
        shown = [str(each) for each in classes]
        rows, columns = np.searchsorted(classes, truth), np.searchsorted(classes, guesses)
    else:
        shown = [str(name) for name in names]
        rows, columns = (_numbers(each, shown, field) for each, field in ((truth, "y_true"), (guesses, "preds")))
    counts = np.zeros((len(shown), len(shown)), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    return [(shown[i], shown[j], int(counts[i, j])) for i in range(len(shown)) for j in range(len(shown))]


def _classes(truth: Array, count: int) -> list[Any]:
    import numpy as np

    found: list[Any] = np.unique(truth).tolist()
    if truth.dtype.kind in "biu" and int(found[0]) >= 0 and int(found[-1]) < count:
        return list(range(count))
    if len(found) != count:
        raise InvalidField(
            "y_probas", f"has {count} columns for {len(found)} classes: {', '.join(map(str, found[:20]))}"
        )
    return found


def _cumulated(is_positive: Array, scores: Array) -> tuple[Array, Array]:
    """Positives and negatives above each threshold, from the highest, float64; the first is above all scores."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1) if len(scores) else np.array([], int)
    positives = np.append(0.0, np.cumsum(is_positive[order])[ends])
    return positives, np.append(0.0, ends + 1.0) - positives


def _numbers(classes: Array, names: list[str], field: str) -> Array:
    import numpy as np

    if classes.dtype.kind in "biuf":
        numbers: Array = classes.astype(np.int64)
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(names)):
            raise InvalidField(field, f"has classes {numbers.min()} to {numbers.max()} for {len(names)} class_names")
        return numbers
    unknown = sorted({str(each) for each in classes} - set(names))
    if unknown:
        raise InvalidField(field, f"has {unknown[0]!r}, which is none of class_names: {', '.join(names[:20])}")
    return np.array([names.index(str(each)) for each in classes], dtype=np.int64)
