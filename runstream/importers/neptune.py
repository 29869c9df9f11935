"""The parquet files of neptune-exporter, which Neptune recommends for leaving it.

    <project>/<run>_part_<n>.parquet      a row a value: project_id, run_id, attribute_path, attribute_type, step,
                                          timestamp, and a column for each kind of value

Series of floats become points, single values config. Of what Neptune says itself, below ``sys/``, name, tags,
description, creation time and failure are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from runstream.errors import InvalidField, SetupError
from runstream.importers.imported import Gatherer, ImportedRun, files_below, own_id, own_project

_COLUMNS = (
    "project_id", "run_id", "attribute_path", "attribute_type", "step", "timestamp", "int_value", "float_value",
    "string_value", "bool_value", "datetime_value", "string_set_value",
)  # fmt: skip
_SINGLE = {
    "float": "float_value",
    "int": "int_value",
    "string": "string_value",
    "bool": "bool_value",
    "datetime": "datetime_value",
    "string_set": "string_set_value",
}
_OWN = "sys/"
_PART = re.compile(r"(.*?)_?part_(\d+)")


class _Reading:
    """A run being read, over all its files."""

    def __init__(self, project: str, run_id: str, step_multiplier: int) -> None:
        self.project, self.run_id = project, run_id
        self.gatherer = Gatherer()
        self.config: dict[str, Any] = {}
        self.own: dict[str, Any] = {}
        self._multiplier = step_multiplier

    def row(self, row: dict[str, Any]) -> None:
        path, kind = row["attribute_path"], row["attribute_type"]
        if kind == "float_series" and row["step"] is not None and row["float_value"] is not None:
            time_ms = 0 if row["timestamp"] is None else _milliseconds(row["timestamp"])
            self.gatherer.add(path, self._step(path, row["step"]), time_ms, row["float_value"])
        elif kind not in _SINGLE:
            self.gatherer.skipped[kind if kind != "float_series" else "values without a step, or none"] += 1
        elif path.startswith(_OWN):
            self.own[path.removeprefix(_OWN)] = row[_SINGLE[kind]]
        else:
            self.config[path] = row[_SINGLE[kind]]

    def imported(self) -> ImportedRun:
        created = self.own.get("creation_time")
        return ImportedRun(
            id=own_id(self.run_id),
            columns=self.gatherer.columns(),
            project=own_project(self.project),
            name=str(self.own.get("name") or self.run_id),
            config=self.config,
            tags=(*(self.own.get("tags") or ()), *(self.own.get("group_tags") or ())),
            notes=str(self.own.get("description") or ""),
            created_ms=_milliseconds(created) if created else self.gatherer.first_ms() or 0,
            state="failed" if self.own.get("failed") else "finished",
            skipped=self.gatherer.skipped,
        )

    def _step(self, path: str, step: Decimal) -> int:
        multiplied = step * self._multiplier
        whole = int(multiplied)
        if whole != multiplied:
            raise InvalidField(
                f"run {self.run_id}, {path}",
                f"step {step.normalize()} times {self._multiplier} is no integer",
                next_step="give a --step-multiplier such as 1000, the same for all runs to be compared",
            )
        return whole


def read_runs(path: Path, *, step_multiplier: int = 1) -> Iterator[ImportedRun]:
    """Reads every run of an export, or of one file.

    Args:
        path: a folder or file.
        step_multiplier: what each step is multiplied by; the result must be an integer.

    Raises:
        InvalidField: a file is no parquet file of neptune-exporter's, or a step does not become an integer.
        SetupError: pyarrow is not installed.
    """
    groups: dict[tuple[Path, str], list[tuple[int, Path]]] = {}
    for file in files_below(path, lambda found: found.suffix == ".parquet"):
        found = _PART.fullmatch(file.stem)
        name, part = (found[1], int(found[2])) if found else (file.stem, 0)
        groups.setdefault((file.parent, name), []).append((part, file))
    for parts in groups.values():
        runs: dict[tuple[str, str], _Reading] = {}
        for _, file in sorted(parts):
            for row in _rows(file):
                who = str(row["project_id"]), str(row["run_id"])
                if who not in runs:
                    runs[who] = _Reading(*who, step_multiplier)
                runs[who].row(row)
        for reading in runs.values():
            yield reading.imported()


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        next_step = "do `pip install pyarrow`, or install runstream[server]"
        raise SetupError("reading parquet files needs pyarrow", next_step=next_step) from error
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=list(_COLUMNS)):
                if missing := set(_COLUMNS) - set(batch.schema.names):
                    raise InvalidField(str(path), f"has no column {min(missing)!r}, as files of neptune-exporter have")
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise InvalidField(str(path), f"cannot be read as a parquet file: {error}") from error


def _milliseconds(time: datetime) -> int:
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
