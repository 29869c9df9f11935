"""Histograms: every number falls into one bin or is counted apart, for any numbers there are."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.files import logged
from support.tensors import Tensor

from runstream.errors import InvalidField
from runstream.values.histogram import Histogram


def test_the_json_is_that_of_wandb() -> None:
    entry, files = logged(Histogram([0, 1, 1, 4], num_bins=4))
    assert entry == {"_type": "histogram", "values": [1, 2, 0, 1], "bins": [0.0, 1.0, 2.0, 3.0, 4.0]}
    assert files.content == {}
    assert len(Histogram([1, 2]).histogram) == 64


@pytest.mark.parametrize(
    "values",
    [
        np.arange(12).reshape(3, 4),
        Tensor(np.arange(12, dtype=np.float32), on_graph=True, on_gpu=True),
        np.arange(12, dtype=np.float16),
        np.arange(12, dtype=np.uint8),
        [[i] for i in range(12)],
    ],
)
def test_arrays_of_any_shape_and_kind(values: Any) -> None:
    assert Histogram(values, num_bins=12).histogram == [1] * 12


@example([sys.float_info.max], 1)
@example([sys.float_info.max, -sys.float_info.max, 5e-324], 512)
@given(st.lists(st.floats(width=64)), st.integers(1, 512))
def test_every_number_is_counted_once(values: list[float], num_bins: int) -> None:
    histogram = Histogram(values, num_bins=num_bins)
    finite = [value for value in values if np.isfinite(value)]
    assert sum(histogram.histogram) == len(finite)
    assert histogram.non_finite == len(values) - len(finite)
    assert len(histogram.bins) == num_bins + 1
    assert np.isfinite(histogram.bins).all()
    assert histogram.bins == sorted(histogram.bins)
    if finite:
        slack = 1e-6 * max(map(abs, finite))
        assert histogram.bins[0] <= min(finite) + slack
        assert max(finite) - slack <= histogram.bins[-1]


@given(st.lists(st.floats(width=32)))
@example([float(np.finfo(np.float32).max)])
@example([float(np.finfo(np.float32).max), float(np.finfo(np.float32).min), 1e-45])
def test_float32_is_counted_as_it_is(values: list[float]) -> None:
    finite = sum(np.isfinite(value) for value in values)
    assert sum(Histogram(np.array(values, np.float32)).histogram) == finite


def test_what_is_not_finite_is_said() -> None:
    entry, _ = logged(Histogram([1.0, np.nan, np.inf, 2.0], num_bins=1))
    assert (entry["values"], entry["non_finite"]) == ([2], 2)


def test_numpys_own_histogram() -> None:
    counts, edges = np.histogram([1, 2, 2], bins=3)
    entry, _ = logged(Histogram(np_histogram=(counts, edges)))
    assert (entry["values"], len(entry["bins"])) == ([1, 0, 2], 4)
    assert Histogram(np_histogram=([0.5, 0.5], [0, 1, 3])).histogram == [0.5, 0.5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either sequence or np_histogram must be given, and not both"),
        ({"sequence": [1], "np_histogram": ([1], [0, 1])}, "and not both"),
        ({"sequence": [1], "num_bins": 513}, "num_bins: must be an integer of 1 to 512, not 513"),
        ({"sequence": [1], "num_bins": 0}, "not 0"),
        ({"sequence": [1], "num_bins": True}, "not True"),
        ({"sequence": ["a"]}, "sequence: must hold numbers, not <U1"),
        ({"sequence": [[1], [1, 2]]}, "sequence: list cannot be read as an array"),
        ({"np_histogram": [1, 2, 3]}, r"np_histogram: must be \(counts, edges\)"),
        ({"np_histogram": (range(513), range(514))}, r"must have 1 to 512 counts, their shape is \(513,\)"),
        ({"np_histogram": ([1, 2], [0, 1])}, "2 counts need 3 edges"),
        ({"np_histogram": ([1, 2], [0, 2, 1])}, "edges must not fall"),
        ({"np_histogram": ([1, np.nan], [0, 1, 2])}, "must be finite"),
    ],
)
def test_arguments_that_cannot_be_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        Histogram(**arguments)
