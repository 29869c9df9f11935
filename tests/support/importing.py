"""``runstream import`` as a command, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runstream.importers.imported import ImportedRun
from support.processes import environ, run_cli


def import_runs(source: str, path: Path, url: str, *more: str, code: int = 0) -> list[dict[str, Any]]:
    """Imports a path and returns the object printed for each run."""
    done = run_cli("import", source, str(path), "--server", url, "--json", *more, env=environ(), cwd=path.parent)
    assert done.returncode == code, done.stderr + done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def points_of(run: ImportedRun) -> dict[str, dict[int, float]]:
    """Key to step to value."""
    return {column.key: dict(zip(column.steps.tolist(), column.values.tolist(), strict=True)) for column in run.columns}
