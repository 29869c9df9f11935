"""MLflow's SQL store in an SQLite file, opened to read only.

MLflow keeps a NaN as 0 with ``is_nan`` set, and an infinity as the largest float, which is also what it shows.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runstream.errors import InvalidField
from runstream.importers.imported import Gatherer
from runstream.importers.mlflow import MlflowRun

_RUNS = """
SELECT run_uuid, experiments.name, runs.name, status, coalesce(start_time, 0)
FROM runs JOIN experiments USING (experiment_id)
WHERE runs.lifecycle_stage = 'active' ORDER BY start_time, run_uuid
"""
# The order of writing is not kept; of the values of one step the latest is the last.
_METRICS = "SELECT key, step, timestamp, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY key, timestamp, rowid"


def read_database(path: Path) -> Iterator[MlflowRun]:
    """Reads the runs of a store."""
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        try:
            for row in database.execute(_RUNS).fetchall():
                yield _read_run(database, row)
        except sqlite3.Error as error:
            raise InvalidField(str(path), f"cannot be read as an SQLite store of MLflow: {error}") from error


def _read_run(database: sqlite3.Connection, row: tuple[Any, ...]) -> MlflowRun:
    run_id, experiment, name, status, start_ms = row
    metrics = Gatherer()
    for key, step, time_ms, value, is_nan in database.execute(_METRICS, (run_id,)):
        metrics.add(key, step, time_ms, math.nan if is_nan else value)
    params, tags = (
        dict(database.execute(f"SELECT key, value FROM {table} WHERE run_uuid = ? ORDER BY key", (run_id,)))
        for table in ("params", "tags")
    )
    return MlflowRun(run_id, experiment or "", name or "", status or "", start_ms, params, tags, metrics)
