"""MLflow's file store.

mlruns/<experiment>/meta.yaml                     name
                    <run>/meta.yaml               run_id (run_uuid before 1.0), run_name, start_time, status, …
                          metrics/<key>           a line a point: time in ms, value, step (none before 1.0)
                          params/<key>  tags/<key>    the text; a key with "/" is a folder
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from runstream.errors import InvalidField
from runstream.importers.imported import Gatherer, files_below
from runstream.importers.mlflow import MlflowRun

_META = "meta.yaml"
_LEVELS = 2  # experiments, runs


def read_folder(path: Path) -> Iterator[MlflowRun]:
    """Reads the runs of a store, of an experiment, or one run."""
    for folder, meta in _run_folders(path, _LEVELS):
        if meta["lifecycle_stage"] != "deleted":
            yield _read_run(folder, meta)


def _run_folders(path: Path, levels: int) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    meta = _read_meta(path)
    if "lifecycle_stage" in meta and _run_id(meta):  # registered models, too, have meta.yaml and name a run
        yield path, meta
        return
    for child in sorted(path.iterdir()) if levels else ():
        if child.is_dir() and not child.name.startswith("."):
            yield from _run_folders(child, levels - 1)


def _read_run(folder: Path, meta: Mapping[str, Any]) -> MlflowRun:
    experiment = _read_meta(folder.parent).get("name", "")
    run = MlflowRun(
        run_id=_run_id(meta),
        experiment=str(experiment),
        name=str(meta.get("run_name") or meta.get("name") or ""),
        status=str(meta.get("status", "")),
        start_ms=int(meta.get("start_time") or 0),
        params=_texts(folder / "params"),
        tags=_texts(folder / "tags"),
        metrics=Gatherer(),
    )
    for key, path in _keys(folder / "metrics"):
        problem = _read_metric(run.metrics, key, path)
        if problem:
            run.problems.append(problem)
    return run


def _read_metric(metrics: Gatherer, key: str, path: Path) -> str:
    """Takes the points of a metric; returns what is wrong with the first line that cannot be read, or nothing."""
    problem = ""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split()
            if not words or (len(words) < 3 and not line.endswith("\n")):
                continue  # torn: its writer is at it, or was killed
            try:
                metrics.add(key, int(words[2]) if len(words) > 2 else 0, int(words[0]), float(words[1]))
            except (ValueError, IndexError, OverflowError):
                metrics.skipped["lines that cannot be read"] += 1
                problem = problem or f"{path}, line {number}: must be a time, a value and a step, not {line[:80]!r}"
    return problem


def _texts(folder: Path) -> dict[str, str]:
    return {key: path.read_text("utf-8", errors="replace") for key, path in _keys(folder)}


def _keys(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in files_below(folder, lambda found: not found.name.startswith(".")):
        yield path.relative_to(folder).as_posix(), path


def _read_meta(folder: Path) -> Mapping[str, Any]:
    path = folder / _META
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InvalidField(str(path), f"cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}


def _run_id(meta: Mapping[str, Any]) -> str:
    return str(meta.get("run_id") or meta.get("run_uuid") or "")
