"""Objects of other libraries that stand for a rich value: figures, pictures, data frames."""

from __future__ import annotations

from typing import Any

from runstream.values.arrays import comes_from
from runstream.values.media import Value


def wrapped(value: Any) -> Value | None:
    """The rich value that an object stands for, or None.

    A ``Value`` is itself; PIL images and matplotlib figures become ``Image``, plotly figures ``Plotly``, pandas and
    polars data frames ``Table``.

    Raises:
        InvalidField: it is such an object, but cannot be kept.
    """
    if isinstance(value, Value):
        return value
    from runstream.values.picture import is_drawing

    if is_drawing(value) or (comes_from(value, "PIL") and hasattr(value, "convert")):
        from runstream.values.image import Image

        return Image(value)
    if callable(getattr(value, "to_plotly_json", None)):
        from runstream.values.plotly import Plotly

        return Plotly(value)
    if is_frame(value):
        from runstream.values.table import Table

        return Table(dataframe=value)
    return None


def is_frame(value: Any) -> bool:
    """Whether a value is a data frame of pandas or polars."""
    return (comes_from(value, "pandas") or comes_from(value, "polars")) and hasattr(value, "columns")
