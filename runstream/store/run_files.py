"""Files of runs: which blob a path is, and the address it is known by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from runstream.store.client import Store


@dataclass(frozen=True)
class StoredFile:
    """A file of a run; its bytes are the project's blob of this SHA-256."""

    path: str
    size: int
    sha256: str
    media_type: str


def find(store: Store, project_id: int, run_id: int, paths: Sequence[str]) -> dict[str, StoredFile]:
    """The files that a run has among these paths, by path."""
    rows = store.query(
        """SELECT path, size, sha256, media_type FROM run_files FINAL
           WHERE project_id = {project_id:UInt64} AND run_id = {run_id:UInt64} AND path IN {paths:Array(String)}""",
        {"project_id": project_id, "run_id": run_id, "paths": list(paths)},
    )
    return {path: StoredFile(path, int(size), sha256, media_type) for path, size, sha256, media_type in rows}


def file_url(run: str, path: str) -> str:
    """Where a file of a run, entity/project/run, is to be had, from the server's base URL."""
    return f"/files/{quote(run)}/{quote(path)}"
