"""MLflow's stores in the layouts that MLflow 3.17 wrote, with ids of ours."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.importing import points_of

from runstream.errors import InvalidField
from runstream.importers.imported import ImportedRun
from runstream.importers.mlflow import read_runs

FIRST, SECOND, DELETED = ("a" * 32, "b" * 32, "c" * 32)
T = 1_700_000_000_000


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


@pytest.fixture
def mlruns(tmp_path: Path) -> Path:
    store = tmp_path / "mlruns"
    write(store / "0" / "meta.yaml", "experiment_id: '0'\nlifecycle_stage: active\nname: Default\n")
    experiment = store / "983723197751445818"
    write(experiment / "meta.yaml", "experiment_id: '98'\nlifecycle_stage: active\nname: digits/small\n")
    for run_id, name, status, stage in ((FIRST, "first", 3, "active"), (SECOND, "second", 4, "active"),
                                        (DELETED, "gone", 3, "deleted")):  # fmt: skip
        meta = f"run_id: {run_id}\nrun_name: {name}\nstart_time: {T}\nstatus: {status}\nlifecycle_stage: {stage}\n"
        write(experiment / run_id / "meta.yaml", meta)
    run = experiment / FIRST
    write(run / "metrics" / "train" / "loss", "".join(f"{T + step} {1 / (step + 1)} {step}\n" for step in range(50)))
    write(run / "metrics" / "odd", f"{T} nan 0\n{T} inf 1\n{T} -inf 2\n")
    write(run / "metrics" / "acc", f"{T} 0.5 1\n{T} 0.75 1\n{T} 0.9")
    for key, text in {"lr": "0.5", "bs": "32", "opt": "adam", "amp": "True"}.items():
        write(run / "params" / key, text)
    tags = {"team": "a", "mlflow.note.content": "notes", "mlflow.parentRunId": "p", "mlflow.user": "root"}
    for key, text in tags.items():
        write(run / "tags" / key, text)
    # A registered model's version names a run, and is none.
    write(store / "models" / "m" / "version-1" / "meta.yaml", f"name: m\nversion: 1\nrun_id: {FIRST}\n")
    return store


def database(path: Path) -> Path:
    made = sqlite3.connect(path)
    made.executescript(
        """
        CREATE TABLE experiments (experiment_id INTEGER, name TEXT, lifecycle_stage TEXT);
        CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, start_time BIGINT, lifecycle_stage TEXT,
                           experiment_id INTEGER);
        CREATE TABLE metrics (key TEXT, value DOUBLE, timestamp BIGINT, run_uuid TEXT, step BIGINT, is_nan BOOLEAN);
        CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
        CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
        INSERT INTO experiments VALUES (1, 'digits/small', 'active');
        """
    )
    rows = [(FIRST, "first", "FINISHED", T, "active", 1), (SECOND, "second", "FAILED", T + 1, "active", 1),
            (DELETED, "gone", "FINISHED", T, "deleted", 1)]  # fmt: skip
    made.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", rows)
    metrics = [("train/loss", 1 / (step + 1), T + step, FIRST, step, 0) for step in range(50)]
    metrics += [("odd", 0.0, T, FIRST, 0, 1), ("acc", 0.75, T + 1, FIRST, 1, 0), ("acc", 0.5, T, FIRST, 1, 0)]
    made.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", metrics)
    params = [("lr", "0.5"), ("bs", "32"), ("opt", "adam"), ("amp", "True")]
    tags = [("team", "a"), ("mlflow.note.content", "notes"), ("mlflow.parentRunId", "p")]
    for table, entries in (("params", params), ("tags", tags)):
        made.executemany(f"INSERT INTO {table} VALUES (?, ?, '{FIRST}')", entries)
    made.commit()
    made.close()
    return path


def check(runs: Sequence[ImportedRun]) -> None:
    first, second = runs
    assert [(run.id, run.name, run.project, run.state) for run in runs] == [
        (FIRST, "first", "digits-small", "finished"),
        (SECOND, "second", "digits-small", "failed"),
    ]
    found = points_of(first)
    assert found["train/loss"] == {step: 1 / (step + 1) for step in range(50)}
    assert math.isnan(found["odd"][0])
    assert found["acc"] == {1: 0.75}
    assert first.points - first.distinct == 1
    assert first.config == {"lr": 0.5, "bs": 32, "opt": "adam", "amp": True}
    assert (first.tags, first.notes, first.group, first.created_ms) == (("team=a",), "notes", "p", T)
    assert (first.problems, second.columns) == ((), ())


def test_a_file_store_and_each_part_of_one(mlruns: Path) -> None:
    check(list(read_runs(mlruns)))
    check(list(read_runs(mlruns / "983723197751445818")))
    (run,) = read_runs(mlruns / "983723197751445818" / FIRST)
    assert (run.id, run.project) == (FIRST, "digits-small")
    assert points_of(run)["odd"][2] == -math.inf


def test_an_sqlite_store(tmp_path: Path) -> None:
    check(list(read_runs(database(tmp_path / "mlflow.db"))))


def test_a_line_that_cannot_be_is_named_and_its_neighbours_stay(mlruns: Path) -> None:
    run = mlruns / "983723197751445818" / FIRST
    write(run / "metrics" / "acc", f"{T} 0.5 1\nnonsense\n{T} x 2\n{T} 0.75 3\n")
    (found,) = read_runs(run)
    assert points_of(found)["acc"] == {1: 0.5, 3: 0.75}
    assert found.problems == (f"{run}/metrics/acc, line 2: must be a time, a value and a step, not 'nonsense\\n'",)
    assert found.skipped == {"lines that cannot be read": 2}


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    path.write_text("hello")
    with pytest.raises(InvalidField, match=r"other\.db: cannot be read as an SQLite store of MLflow"):
        list(read_runs(path))
    path = tmp_path / "mlruns" / "meta.yaml"
    write(path, "a: [")
    with pytest.raises(InvalidField, match=r"meta\.yaml: cannot be read"):
        list(read_runs(tmp_path / "mlruns"))
