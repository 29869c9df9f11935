"""Curves of classifiers, compared with scikit-learn's."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn import metrics

from runstream.errors import InvalidField
from runstream.values.curves import MAX_POINTS, confusion, precision_recall, roc, scores_by_class

JUDGED = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])), min_size=1, max_size=60)


def arrays(judged: list[tuple[bool, float]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.array([each[0] for each in judged]), np.array([each[1] for each in judged])


@given(JUDGED)
def test_roc_is_that_of_scikit_learn(judged: list[tuple[bool, float]]) -> None:
    truth, scores = arrays(judged)
    fpr, tpr = roc(truth, scores)
    if truth.all() or not truth.any():
        assert (fpr, tpr) == ([], [])
        return
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert fpr == sorted(fpr)
    assert tpr == sorted(tpr)
    assert metrics.auc(fpr, tpr) == pytest.approx(metrics.roc_auc_score(truth, scores))
    wanted, _, _ = metrics.roc_curve(truth, scores)
    assert set(np.round(fpr, 9)) <= set(np.round(wanted, 9))


@given(JUDGED, st.integers(2, 50))
@example([(False, 0.0), *[(True, 0.0)] * 7, *[(True, 0.1)] * 3], 11)  # 3/10 is below the float 0.3 of linspace
def test_precision_at_a_recall_is_the_best_that_reaches_it(judged: list[tuple[bool, float]], points: int) -> None:
    truth, scores = arrays(judged)
    recall, precision = precision_recall(truth, scores, points)
    if not truth.any():
        assert (recall, precision) == ([], [])
        return
    every_precision, every_recall, _ = metrics.precision_recall_curve(truth, scores)
    # scikit-learn ends with a point of precision 1 at recall 0 that no threshold reaches.
    every_precision, every_recall = every_precision[:-1], every_recall[:-1]
    assert recall == np.linspace(0, 1, points).tolist()
    for at, found in zip(recall, precision, strict=True):
        assert found == pytest.approx(every_precision[every_recall >= at - 1e-12].max())


def test_long_curves_have_the_points_that_a_chart_shows() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.random(100_000) < 0.5, rng.random(100_000)
    fpr, tpr = roc(truth, scores)
    assert len(fpr) == MAX_POINTS
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert metrics.auc(fpr, tpr) == pytest.approx(metrics.roc_auc_score(truth, scores), abs=1e-3)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_confusion_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, guesses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    names = ["a", "b", "c", "d"]
    by_number = confusion(truth, guesses, names)
    assert [count for _, _, count in by_number] == metrics.confusion_matrix(
        truth, guesses, labels=range(4)
    ).ravel().tolist()
    assert confusion([names[each] for each in truth], [names[each] for each in guesses], names) == by_number
    occurring = sorted({*truth, *guesses})
    counted = Counter(pairs)
    assert confusion(truth, guesses, None) == [(str(i), str(j), counted[i, j]) for i in occurring for j in occurring]


def classes(truth: Any, scores: Any, labels: Any = None) -> dict[str, tuple[list[bool], list[float]]]:
    return {
        name: (is_positive.tolist(), of_class.tolist())
        for name, _, is_positive, of_class in scores_by_class(truth, scores, labels)
    }


def test_columns_are_classes() -> None:
    scores = [[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]
    assert list(classes([0, 1], scores)) == ["0", "1", "2"]
    assert list(classes([0, 1], scores, ["cat", "dog", "bird"])) == ["cat", "dog", "bird"]
    by_name = classes(["dog", "cat"], [[0.1, 0.9], [0.8, 0.2]])
    assert by_name == {"cat": ([False, True], [0.1, 0.8]), "dog": ([True, False], [0.9, 0.2])}
    assert classes([0, 1], [0.3, 0.7]) == {"1": ([False, True], [0.3, 0.7])}
    assert classes([5, 9], [0.3, 0.7]) == {"9": ([False, True], [0.3, 0.7])}
    assert classes([False, True], [0.3, 0.7], ["no", "yes"]) == {"yes": ([False, True], [0.3, 0.7])}


@pytest.mark.parametrize(
    ("truth", "scores", "labels", "message"),
    [
        ([], [], None, "y_true: must be a list of classes"),
        ([0, 1], [0.5], None, "must be N × C for N = 2"),
        ([0, 1], np.zeros((2, 2, 2)), None, r"its shape is \(2, 2, 2\)"),
        ([0, 1], [0.5, float("nan")], None, "has scores that are NaN"),
        (["a", "b", "c"], np.zeros((3, 2)), None, "has 2 columns for 3 classes: a, b, c"),
        ([0, 7], np.zeros((2, 3)), None, "has 3 columns for 2 classes: 0, 7"),
        ([0, 1], np.zeros((2, 2)), ["a"], "labels: has 1 names for 2 classes"),
        ([0, 1], None, None, "y_probas: must hold numbers"),
    ],
)
def test_what_does_not_fit_is_named(truth: Any, scores: Any, labels: Any, message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        classes(truth, scores, labels)


def test_classes_without_a_name_are_named() -> None:
    with pytest.raises(InvalidField, match="preds: has classes 0 to 2 for 2 class_names"):
        confusion([0, 1], [0, 2], ["a", "b"])
    with pytest.raises(InvalidField, match="y_true: has 'x', which is none of class_names: a, b"):
        confusion(["x"], ["a"], ["a", "b"])
    with pytest.raises(InvalidField, match=r"preds: must be as many as y_true, shapes are \(1,\) and \(2,\)"):
        confusion([0, 1], [0], None)
