"""CSV files: a run a file, or one file of many runs with a column that says which.

The first line names the columns. ``step`` (or ``_step``) is the step, else rows count from 0; ``time``, ``timestamp``,
``_timestamp`` or ``wall time`` is seconds since 1970 or ISO 8601; ``run`` tells runs apart. Upper and lower case are
the same for these. Every other column of numbers is a key; a column whose first value is no number is text and skipped.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runstream.errors import InvalidField
from runstream.importers.imported import Gatherer, ImportedRun, files_below, source_id

_STEPS = ("step", "_step")
_TIMES = ("time", "timestamp", "_timestamp", "wall time", "wall_time")
_RUNS = ("run",)
_BOOLS = {"true": 1.0, "false": 0.0}


@dataclass
class _Run:
    gatherer: Gatherer = field(default_factory=Gatherer)
    rows: int = 0


class _File:
    """A file being read: which column means what, and where reading is, for errors."""

    def __init__(self, path: Path, header: Sequence[str], changed_ms: int) -> None:
        self._path = path
        self._changed_ms = changed_ms
        self._names = [name.strip() for name in header]
        self._step, self._time, self._run = (self._column_of(names) for names in (_STEPS, _TIMES, _RUNS))
        self._is_text: dict[int, bool] = {}
        self.line = 1
        self.runs: dict[str, _Run] = {}
        repeated = next((name for name in self._names if name and self._names.count(name) > 1), None)
        if repeated:
            raise self._wrong(repeated, "two columns have this name")

    def take(self, cells: Sequence[str]) -> None:
        """Takes a row."""
        if len(cells) > len(self._names):
            raise self._wrong("", f"the row has {len(cells)} cells, the header {len(self._names)}")
        run = self.runs.setdefault(self._cell(cells, self._run), _Run())
        step = run.rows if self._step is None else self._integer(cells, self._step)
        time_ms = self._changed_ms if self._time is None else self._milliseconds(cells, self._time)
        run.rows += 1
        for index, cell in enumerate(cells):
            if index in (self._step, self._time, self._run) or not cell.strip():
                continue
            value = self._value(index, cell.strip())
            if value is None:
                run.gatherer.skipped["text"] += 1
                continue
            try:
                run.gatherer.add(self._names[index] or f"column {index + 1}", step, time_ms, value)
            except OverflowError:
                raise self._wrong("", "step or time does not fit 64 bits") from None

    def _value(self, index: int, cell: str) -> float | None:
        try:
            value = _BOOLS.get(cell.lower())
            number = float(cell) if value is None else value
        except ValueError:
            if self._is_text.setdefault(index, True):
                return None
            raise self._wrong(self._names[index], f"must be a number as in the rows before, not {cell!r}") from None
        return None if self._is_text.setdefault(index, False) else number

    def _integer(self, cells: Sequence[str], index: int) -> int:
        cell = self._cell(cells, index)
        try:
            return int(cell)
        except ValueError:
            pass
        try:
            number = float(cell)
            if number == int(number):
                return int(number)
        except (ValueError, OverflowError):
            pass
        raise self._wrong(self._names[index], f"must be an integer, not {cell!r}")

    def _milliseconds(self, cells: Sequence[str], index: int) -> int:
        cell = self._cell(cells, index)
        try:
            return round(float(cell) * 1000)
        except (ValueError, OverflowError):
            pass
        try:
            parsed = datetime.fromisoformat(cell)
        except ValueError:
            what = f"must be seconds since 1970 or a date and time of ISO 8601, not {cell!r}"
            raise self._wrong(self._names[index], what) from None
        return round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)

    def _cell(self, cells: Sequence[str], index: int | None) -> str:
        return cells[index].strip() if index is not None and index < len(cells) else ""

    def _column_of(self, names: Sequence[str]) -> int | None:
        lower = [name.lower() for name in self._names]
        return next((lower.index(name) for name in names if name in lower), None)

    def _wrong(self, column: str, what: str) -> InvalidField:
        where = f", column {column!r}" if column else ""
        return InvalidField(f"{self._path}, line {self.line}{where}", what)


def read_runs(path: Path) -> Iterator[ImportedRun]:
    """Reads every run of a file, or of the ``.csv`` files below a folder.

    Raises:
        InvalidField: a file is no CSV, or a cell cannot be what its column is; names file, line and column.
    """
    for file in files_below(path, lambda found: found.suffix.lower() == ".csv"):
        yield from _read_file(file)


def _read_file(path: Path) -> Iterator[ImportedRun]:
    changed_ms = path.stat().st_mtime_ns // 1_000_000
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines)
            header = next(rows, None)
            if header is None:
                return
            reading = _File(path, header, changed_ms)
            for cells in rows:
                reading.line = rows.line_num
                if cells:
                    reading.take(cells)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidField(str(path), f"is no CSV file of UTF-8: {error}") from error
    for name, run in reading.runs.items():
        yield ImportedRun(
            # Two files may both have a run "1": what tells them apart is where they are.
            id=source_id(name or path.stem, "csv", path.resolve(), name),
            columns=run.gatherer.columns(),
            name=name or path.stem,
            created_ms=changed_ms if (first := run.gatherer.first_ms()) is None else first,
            skipped=run.gatherer.skipped,
        )
