"""Plotly figures: real ones, their dicts, and matplotlib's."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import plotly.graph_objects
import pytest
from support.files import logged

from runstream.errors import InvalidField
from runstream.values.plotly import Plotly

matplotlib.use("agg")


def test_a_figure_is_plain_json() -> None:
    figure = plotly.graph_objects.Figure(
        plotly.graph_objects.Scatter(x=np.arange(3), y=np.array([1.5, np.nan, 2], np.float32)), {"title": "é"}
    )
    entry, files = logged(Plotly(figure), "chart", 2)
    assert entry["_type"] == "plotly-file"
    assert entry["path"] == f"media/plotly/chart_2_{entry['sha256'][:20]}.plotly.json"
    content = files.json_of(entry)
    assert content["data"] == [{"type": "scatter", "x": [0, 1, 2], "y": [1.5, None, 2]}]
    assert content["layout"]["title"]["text"] == "é"


def test_arrays_of_two_dimensions_are_lists_of_rows() -> None:
    heat = plotly.graph_objects.Figure(plotly.graph_objects.Heatmap(z=np.arange(6.0).reshape(2, 3)))
    entry, files = logged(Plotly(heat))
    assert files.json_of(entry)["data"][0]["z"] == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # plotly uses what matplotlib is about to remove
@pytest.mark.parametrize("part", ["figure", "axes", "pyplot"])
def test_matplotlib_figures_are_converted_by_plotly(part: str) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    try:
        axes.plot([0, 1], [2, 3])
        entry, files = logged(Plotly({"figure": figure, "axes": axes, "pyplot": pyplot}[part]))
        assert files.json_of(entry)["data"][0]["y"] == [2, 3]
        figure.clear()
        with pytest.raises(InvalidField, match=r"plotly cannot convert .* runstream\.Image"):
            Plotly(figure)
    finally:
        pyplot.close(figure)


def test_a_dict_is_taken_as_it_is() -> None:
    entry, files = logged(Plotly({"data": [{"y": (1, 2)}]}))
    assert files.json_of(entry) == {"data": [{"y": [1, 2]}]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "val: must be a plotly figure or its dict with 'data', not int"),
        ({"layout": {}}, "not dict"),
        ({"data": [object()]}, "val: holds a object, which JSON cannot"),
    ],
)
def test_what_is_no_figure_is_told(value: Any, message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        Plotly(value)
