"""``runstream.Table``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from runstream.errors import InvalidField
from runstream.values.arrays import as_array
from runstream.values.cells import ANY, Column
from runstream.values.frames import frame_columns
from runstream.values.media import FileSink, Value, as_text, media_path
from runstream.values.optional import pandas
from runstream.values.plain import number_or_text
from runstream.values.table_input import rows_as_columns, typed_columns
from runstream.values.wrap import is_frame

LogMode = Literal["IMMUTABLE", "MUTABLE", "INCREMENTAL"]
_LOG_MODES = ("IMMUTABLE", "MUTABLE", "INCREMENTAL")


class Table(Value):
    """Rows of typed columns, for reading, sorting and plots of their own.

    The first cell of a column that is not None sets its kind: number, string, boolean, timestamp (ISO 8601), list,
    object, or a rich value such as Image. A cell of another kind is refused with its row and column.

    Args:
        columns: names; of a list or array without them ``Input``, ``Output``, ``Expected``.
        data: rows as lists, tuples or dicts; an array of two dimensions; or a data frame.
        rows: rows as lists, an older name of ``data``.
        dataframe: a data frame of pandas or polars; its own column names are taken.
        dtype: kinds of the columns, one for all, a list, or a dict by name: ``int``, ``str``, ``bool``,
            ``datetime``, ``list``, ``dict``, ``Image`` … or a kind's name.
        optional: whether None is allowed; one for all or a list.
        allow_mixed_types: columns take any kind.
        log_mode: ``INCREMENTAL`` logs the rows that were added since it was last logged under the same key; the
            other two, the whole table as it is then.

    Raises:
        InvalidField: an argument or a cell cannot be used; names it and says what was given.
    """

    fits_cell: ClassVar[bool] = False

    def __init__(
        self,
        columns: Sequence[Any] | None = None,
        data: Any = None,
        rows: Iterable[Sequence[Any]] | None = None,
        dataframe: Any = None,
        dtype: Any = None,
        optional: bool | Sequence[bool] = True,
        allow_mixed_types: bool = False,
        log_mode: LogMode = "IMMUTABLE",
    ) -> None:
        if sum(source is not None for source in (data, rows, dataframe)) > 1:
            raise InvalidField("data", "only one of data, rows and dataframe can be given")
        if log_mode not in _LOG_MODES:
            raise InvalidField("log_mode", f"must be one of {', '.join(_LOG_MODES)}, not {log_mode!r:.40}")
        self.log_mode = log_mode
        self._allow_mixed = allow_mixed_types
        self._increments: dict[str, tuple[int, int]] = {}
        source = rows if data is None else data
        if dataframe is not None or is_frame(source):
            names, cells = frame_columns(source if dataframe is None else dataframe, "dataframe")
        else:
            names, cells = rows_as_columns(columns, () if source is None else source)
        self._columns = typed_columns(names, dtype, optional, allow_mixed_types)
        kept = [column.take(part, 0) for column, part in zip(self._columns, cells, strict=True)]
        self.data: list[list[Any]] = [list(row) for row in zip(*kept, strict=True)]

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self._columns]

    def add_data(self, *data: Any) -> None:
        """Adds one row, a value a column.

        Raises:
            InvalidField: too many or too few, or a cell of another kind; the table stays as it was.
        """
        row, columns = len(self.data), self._columns
        if len(data) != len(columns):
            wanted = f"the table has {len(columns)} columns: {', '.join(self.columns)}"
            raise InvalidField("data", f"row {row} has {len(data)} cells, {wanted}")
        kinds = [(column.kind, column.has_values) for column in columns]
        try:
            self.data.append([column.take_one(cell, row) for column, cell in zip(columns, data, strict=True)])
        except InvalidField:
            for column, before in zip(columns, kinds, strict=True):
                column.kind, column.has_values = before
            raise

    def add_row(self, *row: Any) -> None:
        """Adds one row; the older name of ``add_data``."""
        self.add_data(*row)

    def add_column(self, name: str, data: Any, optional: bool = True) -> None:
        """Adds a column, a cell for each row there is; to a table without columns and rows, the rows too.

        Raises:
            InvalidField: the name is taken, the count differs, a cell cannot be kept, or rows were logged already
                in mode INCREMENTAL.
        """
        name = as_text(name)
        if name in self.columns:
            raise InvalidField("name", f"there is a column {name!r} already")
        if self._increments:
            raise InvalidField("name", f"column {name!r} comes after rows that were logged without it")
        cells = list(data)
        if self._columns and len(cells) != len(self.data):
            raise InvalidField("data", f"column {name!r} has {len(cells)} cells, the table has {len(self.data)} rows")
        column = Column(name, ANY if self._allow_mixed else None, optional)
        kept = column.take(cells, 0)
        if not self._columns:
            self.data = [[] for _ in kept]
        self._columns.append(column)
        for row, cell in zip(self.data, kept, strict=True):
            row.append(cell)

    def add_computed_columns(self, fn: Callable[[int, dict[str, Any]], Mapping[str, Any]]) -> None:
        """Adds columns by a function of row number and row, which returns the new cells by name."""
        names = self.columns
        found = [fn(index, dict(zip(names, row, strict=True))) for index, row in enumerate(self.data)]
        for name in dict.fromkeys(name for cells in found for name in cells):
            self.add_column(name, [cells.get(name) for cells in found])

    def get_column(self, name: str, convert_to: Literal["numpy"] | None = None) -> Any:
        """The cells of a column as a list, or as a numpy array.

        Raises:
            InvalidField: there is no such column.
        """
        name = as_text(name)
        if name not in self.columns:
            raise InvalidField("name", f"there is no column {name!r}; columns: {', '.join(self.columns)}")
        index = self.columns.index(name)
        cells = [row[index] for row in self.data]
        return as_array(cells, name) if convert_to == "numpy" else cells

    def get_index(self) -> list[int]:
        """Numbers of the rows."""
        return list(range(len(self.data)))

    def get_dataframe(self) -> Any:
        """The table as a pandas data frame; needs pandas."""
        return pandas("a table as a data frame").DataFrame(self.data, columns=self.columns)

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """Number and cells of each row."""
        yield from enumerate(self.data)

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """``{"_type": "table-file", "path", "sha256", "size", "ncols", "nrows", "log_mode"}``.

        The file is ``{"columns": […], "column_types": {name: kind}, "data": [[…]]}``; rich cells are their JSON, NaN
        and infinities their names as text. In mode INCREMENTAL the type is ``incremental-table-file``, the file has
        the new rows, and ``increment_num`` (from 0) and ``first_row`` say where they belong.
        """
        first, number = self._increments.get(key, (0, 0)) if self.log_mode == "INCREMENTAL" else (0, 0)
        rows = self.data[first:] if first else self.data
        content = {"columns": self.columns, "column_types": {c.name: c.kind or ANY for c in self._columns}}
        text = (
            json.dumps(content, ensure_ascii=False)[:-1] + ', "data": ' + self._rows_json(rows, files, key, step) + "}"
        )
        path = media_path("table", key, step, "table.json")
        entry = files.add_bytes(text.encode(errors="replace"), path, "application/json")
        shape = {"ncols": len(self._columns), "nrows": len(rows), "log_mode": self.log_mode}
        if self.log_mode != "INCREMENTAL":
            return {"_type": "table-file", **entry, **shape}
        self._increments[key] = (first + len(rows), number + 1)
        place = {"increment_num": number, "first_row": first}
        return {"_type": "incremental-table-file", **entry, **shape, **place}

    def _rows_json(self, rows: list[list[Any]], files: FileSink, key: str, step: int) -> str:
        if not any(column.has_values for column in self._columns):
            try:
                return json.dumps(rows, ensure_ascii=False, allow_nan=False)  # 100,000 rows in a few tenths of a second
            except ValueError:
                pass  # some are NaN or infinite
        return json.dumps([[_cell_json(cell, files, key, step) for cell in row] for row in rows], ensure_ascii=False)


def _cell_json(cell: Any, files: FileSink, key: str, step: int) -> Any:
    if isinstance(cell, float):
        return number_or_text(cell)
    return cell.to_json(files, key, step) if isinstance(cell, Value) else cell
