"""Cells of a table and the kind that a column holds. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from runstream.errors import InvalidField, RunstreamError
from runstream.values.group import Group
from runstream.values.media import Value
from runstream.values.plain import NotPlain, plain
from runstream.values.wrap import is_frame, wrapped

ANY = "any"
# What most cells are: kept as they are, by one look-up each.
_KINDS: dict[type, str] = {
    float: "number",
    int: "number",
    str: "string",
    bool: "boolean",
    type(None): "none",
}
_NAMES = ("number", "string", "boolean", "timestamp", "list", "object", ANY)


@dataclass(slots=True)
class Column:
    """One column: its name, the kind its cells have (None as long as all are None), and whether None is allowed."""

    name: str
    kind: str | None
    optional: bool
    has_values: bool = False  # some cells are images or other rich values

    def take(self, cells: Sequence[Any], first_row: int) -> Sequence[Any]:
        """Cells as they are kept. Sets the kind by the first that is not None.

        Raises:
            InvalidField: names row and column of a cell that is of another kind or cannot be kept.
        """
        kinds = {_KINDS.get(kind) for kind in set(map(type, cells))}
        if None not in kinds and self._fits(kinds):
            self.kind = self.kind or next(iter(kinds - {"none"}), None)
            return cells
        return [self.take_one(cell, first_row + index) for index, cell in enumerate(cells)]

    def take_one(self, cell: Any, row: int) -> Any:
        """One cell; as ``take``."""
        kind = _KINDS.get(type(cell))
        if kind is None:
            try:
                kind, cell = _converted(cell)
            except (NotPlain, RunstreamError) as error:
                raise InvalidField("data", f"row {row}, column {self.name!r}: {error}") from error
            self.has_values = self.has_values or isinstance(cell, Value)
        if kind == "none":
            if self.optional:
                return None
            raise InvalidField("data", f"row {row}, column {self.name!r}: is None, but the column is not optional")
        if self.kind is None:
            self.kind = kind
        elif kind != self.kind and self.kind != ANY:
            message = f"row {row}, column {self.name!r}: is of kind {kind}, but the column holds {self.kind}"
            raise InvalidField("data", message, next_step="allow_mixed_types=True permits this")
        return cell

    def _fits(self, kinds: set[str | None]) -> bool:
        if "none" in kinds and not self.optional:
            return False
        found = kinds - {"none"}
        return self.kind == ANY or found <= {self.kind} or (self.kind is None and len(found) <= 1)


def kind_of(dtype: Any) -> str | None:
    """A column's kind from what people give as ``dtype``: a type, a ``Value`` class or a kind's name.

    Raises:
        InvalidField: none of these.
    """
    if dtype is None or (isinstance(dtype, str) and dtype in _NAMES):
        return dtype
    if isinstance(dtype, type):
        if issubclass(dtype, Value):
            return dtype.__name__
        others: dict[type, str] = {list: "list", tuple: "list", dict: "object", object: ANY}
        others |= {datetime.datetime: "timestamp", datetime.date: "timestamp", **_KINDS}
        if dtype in others and dtype is not type(None):
            return others[dtype]
    raise InvalidField("dtype", f"must be a type or one of {', '.join(_NAMES)}, not {dtype!r:.80}")


def _converted(cell: Any) -> tuple[str, Any]:
    """Kind and form of a cell that is no plain number, text or None."""
    if is_frame(cell):
        raise InvalidField("cell", "is a data frame, which cannot stand in a cell")
    value = wrapped(cell)
    if value is None and isinstance(cell, (list, tuple)) and any(isinstance(part, Value) for part in cell):
        value = Group([part for part in cell if isinstance(part, Value)])
        if not all(isinstance(part, Value) for part in cell):
            raise InvalidField("cell", "is a list of rich values and others")
    if value is not None:
        if not value.fits_cell:
            raise InvalidField("cell", f"is a {type(value).__name__}, which cannot stand in a cell")
        return type(value).__name__, value
    if isinstance(cell, (datetime.date, datetime.time)) or getattr(getattr(cell, "dtype", None), "kind", "") == "M":
        found = plain(cell)
        return ("timestamp", found) if isinstance(found, str) else ("none" if found is None else "list", found)
    if isinstance(cell, (int, float, str)):  # of a subclass
        kind = "boolean" if isinstance(cell, bool) else "string" if isinstance(cell, str) else "number"
        return kind, str(cell) if kind == "string" else float(cell) if isinstance(cell, float) else int(cell)
    if isinstance(cell, (Decimal, Fraction)):
        return "number", float(cell)
    if isinstance(cell, Mapping):
        return "object", plain(cell)
    found = plain(cell)
    return _KINDS.get(type(found)) or ("object" if isinstance(found, dict) else "list"), found
