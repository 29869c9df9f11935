"""MLflow's stores: a file, which is SQLite, or a folder of text files; the readers of both are beside this one.

What both have in common is here: an experiment is a project, parameters are config, tags of the user are ``key=value``
tags, a parent run is a group. Deleted runs are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runstream.importers.imported import Gatherer, ImportedRun, State, as_value, own_id, own_project

_NOTE, _PARENT, _NAME = "mlflow.note.content", "mlflow.parentRunId", "mlflow.runName"
# By name, as SQL stores have it, and by number, as files have it. A run that is still said to be running has not
# said how it ended.
_STATES: Mapping[str, State] = {
    "FINISHED": "finished", "FAILED": "failed", "KILLED": "failed",
    "3": "finished", "4": "failed", "5": "failed",
}  # fmt: skip


@dataclass
class MlflowRun:
    """A run in MLflow's words."""

    run_id: str
    experiment: str
    name: str
    status: str
    start_ms: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Gatherer
    problems: list[str] = field(default_factory=list)

    def imported(self) -> ImportedRun:
        """The run in ours."""
        return ImportedRun(
            id=own_id(self.run_id),
            columns=self.metrics.columns(),
            project=own_project(self.experiment),
            name=self.name or self.tags.get(_NAME, ""),
            config={key: as_value(text) for key, text in self.params.items()},
            tags=tuple(f"{key}={text}" for key, text in self.tags.items() if not key.startswith("mlflow.")),
            notes=self.tags.get(_NOTE, ""),
            group=self.tags.get(_PARENT, ""),
            created_ms=self.start_ms,
            state=_STATES.get(self.status, "crashed"),
            skipped=self.metrics.skipped,
            problems=tuple(self.problems),
        )


def read_runs(path: Path) -> Iterator[ImportedRun]:
    """Reads every run of a store that is not deleted.

    Raises:
        InvalidField: the path is no store of MLflow's.
    """
    if path.is_dir():
        from runstream.importers.mlflow_files import read_folder as read
    else:
        from runstream.importers.mlflow_sqlite import read_database as read
    for run in read(path):
        yield run.imported()
