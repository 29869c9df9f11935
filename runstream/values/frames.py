"""Data frames of pandas and polars as columns of Python values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runstream.errors import InvalidField
from runstream.values.arrays import comes_from
from runstream.values.media import as_text
from runstream.values.wrap import is_frame


def frame_columns(frame: Any, field: str) -> tuple[list[str], list[Sequence[Any]]]:
    """Names and cells of a data frame's columns.

    What is missing (None, NaT, NA, and NaN where the column is none of floats) becomes None; a NaN among floats is
    a value.

    Raises:
        InvalidField: it is no data frame.
    """
    if not is_frame(frame):
        raise InvalidField(field, f"must be a data frame of pandas or polars, not {type(frame).__name__}")
    names = [as_text(name) for name in frame.columns]
    if comes_from(frame, "pandas"):
        return names, [_cells(frame.iloc[:, index]) for index in range(len(names))]
    return names, [frame[name].to_list() for name in frame.columns]


def _cells(series: Any) -> list[Any]:
    cells: list[Any] = series.tolist()
    if getattr(series.dtype, "kind", "") == "f" and not hasattr(series.dtype, "na_value"):
        return cells
    is_missing = series.isna()
    if not is_missing.any():
        return cells
    return [None if missing else cell for cell, missing in zip(cells, is_missing.tolist(), strict=True)]
