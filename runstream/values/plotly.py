"""``runstream.Plotly``."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from runstream.errors import InvalidField
from runstream.values.media import FileSink, Value, media_path
from runstream.values.optional import plotly_tools
from runstream.values.picture import is_drawing
from runstream.values.plain import NotPlain, plain


class Plotly(Value):
    """A plotly figure, kept as the JSON that plotly.js draws, with plain lists for arrays.

    Args:
        val: a plotly figure; its dict, with ``data``; or a matplotlib figure, which plotly converts as well as it
            can (``Image`` keeps it exactly).

    Raises:
        InvalidField: it is none of these, or holds what JSON cannot.
        ExtraMissing: a matplotlib figure is given and plotly is not installed.
    """

    group: ClassVar[tuple[str, str] | None] = ("plotly", "plots")

    def __init__(self, val: Any) -> None:
        if is_drawing(val):
            val = _converted(val)
        content = val.to_plotly_json() if callable(getattr(val, "to_plotly_json", None)) else val
        if not isinstance(content, Mapping) or "data" not in content:
            raise InvalidField("val", f"must be a plotly figure or its dict with 'data', not {type(val).__name__}")
        try:
            found = plain(_unpacked(content), non_finite=lambda number: None)  # plotly draws a gap there
        except NotPlain as error:
            raise InvalidField("val", f"{error}, which JSON cannot") from error
        self._content = json.dumps(found, ensure_ascii=False).encode()

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """``{"_type": "plotly-file", "path", "sha256", "size"}``."""
        path = media_path("plotly", key, step, "plotly.json")
        return {"_type": "plotly-file", **files.add_bytes(self._content, path, "application/json")}


def _converted(drawing: Any) -> Any:
    figure = drawing.gcf() if callable(getattr(drawing, "gcf", None)) else getattr(drawing, "figure", drawing)
    tools = plotly_tools("a matplotlib figure as Plotly")
    try:
        return tools.mpl_to_plotly(figure)
    except Exception as error:  # of plotly's, which knows a part of what matplotlib draws
        message = f"plotly cannot convert this matplotlib figure: {error}"
        raise InvalidField("val", message, next_step="log it as runstream.Image, which keeps it exactly") from error


def _unpacked(value: Any) -> Any:
    """The content with plain arrays where plotly 6 and later pack them as base64, which older viewers cannot read."""
    if isinstance(value, Mapping):
        if isinstance(value.get("bdata"), str) and "dtype" in value:
            return _array(value)
        return {key: _unpacked(item) for key, item in value.items()}
    return [_unpacked(item) for item in value] if isinstance(value, (list, tuple)) else value


def _array(packed: Mapping[str, Any]) -> Any:
    import numpy as np

    kind = str(packed["dtype"]).removesuffix("c")  # "u1c" is a browser's clamped array of u1
    found = np.frombuffer(base64.b64decode(packed["bdata"]), np.dtype(kind).newbyteorder("<"))
    return found.reshape([int(side) for side in str(packed["shape"]).split(",")]) if "shape" in packed else found
