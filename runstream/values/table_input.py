"""The forms in which a table's rows and columns are given. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runstream.errors import InvalidField
from runstream.values.cells import ANY, Column, kind_of
from runstream.values.media import as_text
from runstream.values.plain import plain

_DEFAULT_COLUMNS = ("Input", "Output", "Expected")


def rows_as_columns(columns: Sequence[Any] | None, data: Any) -> tuple[list[str], list[Sequence[Any]]]:
    """Names and cells of columns, of rows as lists, tuples, dicts or a two-dimensional array.

    Raises:
        InvalidField: names a row that is none or has too many or too few cells.
    """
    if not isinstance(data, (list, tuple)) and hasattr(data, "tolist"):
        data = _array_rows(data)
    rows = list(data)
    if rows and isinstance(rows[0], Mapping):
        names = [as_text(name) for name in (columns or dict.fromkeys(name for row in rows for name in row))]
        return names, [[row.get(name) for row in rows] for name in names]
    names = [as_text(name) for name in (_DEFAULT_COLUMNS if columns is None else columns)]
    for index, row in enumerate(rows):
        if isinstance(row, (str, bytes)) or not hasattr(row, "__len__"):
            raise InvalidField("data", f"row {index} must be a list of cells, not {type(row).__name__}")
        if len(row) != len(names):
            wanted = f"the table has {len(names)} columns: {', '.join(names)}"
            raise InvalidField("data", f"row {index} has {len(row)} cells, {wanted}")
    return names, list(zip(*rows, strict=True)) if rows else [() for _ in names]


def typed_columns(names: list[str], dtype: Any, optional: bool | Sequence[bool], is_mixed: bool) -> list[Column]:
    """Columns without cells, from ``Table``'s arguments.

    Raises:
        InvalidField: a name twice, or more or fewer entries than names.
    """
    if len(set(names)) != len(names):
        raise InvalidField("columns", f"there are two columns {next(n for n in names if names.count(n) > 1)!r}")
    if isinstance(dtype, Mapping):
        dtype = [dtype.get(name) for name in names]
    kinds = list(dtype) if isinstance(dtype, (list, tuple)) else [dtype] * len(names)
    allowed = [optional] * len(names) if isinstance(optional, bool) else list(optional)
    for field, given in (("dtype", kinds), ("optional", allowed)):
        if len(given) != len(names):
            raise InvalidField(field, f"has {len(given)} entries for {len(names)} columns")
    return [
        Column(name, kind_of(kind) or (ANY if is_mixed else None), may_miss)
        for name, kind, may_miss in zip(names, kinds, allowed, strict=True)
    ]


def _array_rows(array: Any) -> Any:
    """The rows of an array of two dimensions as lists."""
    if getattr(array, "ndim", 0) != 2:
        raise InvalidField("data", f"an array must have two dimensions, its shape is {getattr(array, 'shape', ())}")
    return array.tolist() if array.dtype.kind != "M" else plain(array)
