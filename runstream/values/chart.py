"""A table with a description of the plot to draw of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from runstream.errors import InvalidField
from runstream.values.media import FileSink, Value, as_text
from runstream.values.table import Table


class Chart(Value):
    """A plot of a table; made by the functions of ``runstream.plot``.

    Args:
        chart: kind of plot: ``line``, ``scatter``, ``bar`` …
        table: what is plotted.
        fields: which column plays which part: ``{"x": "step", "y": "loss"}``.
        title: text above the plot.
        axes: titles of axes by part, where they are not the columns' names.

    Raises:
        InvalidField: the table is none, or has no such column.
    """

    fits_cell: ClassVar[bool] = False

    def __init__(
        self,
        chart: str,
        table: Table,
        fields: Mapping[str, str | None],
        title: str = "",
        axes: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(table, Table):
            raise InvalidField("table", f"must be a runstream.Table, not {type(table).__name__}")
        self.chart = chart
        self.table = table
        self.title = as_text(title)
        self.fields = {part: as_text(column) for part, column in fields.items() if column is not None}
        self.axes = {part: as_text(text) for part, text in (axes or {}).items()}
        for part, column in self.fields.items():
            if column not in table.columns:
                raise InvalidField(part, f"there is no column {column!r}; columns: {', '.join(table.columns)}")

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """``{"_type": "custom-chart", "chart", "fields", "title", "axes", "table": {a table's own JSON}}``."""
        return {
            "_type": "custom-chart",
            "chart": self.chart,
            "fields": self.fields,
            "title": self.title,
            "axes": self.axes,
            "table": self.table.to_json(files, f"{key}_table", step),
        }
