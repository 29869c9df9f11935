"""What a program has left in its spools."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runstream.spool.places import writer_dirs
from runstream.spool.reader import SpoolReader
from support.processes import environ


@dataclass
class Spool:
    """One writer's spool: rows by order, records by kind."""

    identity: dict[str, Any]
    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    def document(self, kind: str) -> Any:
        """The newest document of a kind, or None."""
        found = [each["document"]["json"] for each in self.records if each.get("document", {}).get("kind") == kind]
        return json.loads(found[-1]) if found else None

    def attributes(self) -> dict[str, Any]:
        """What was said of the run, the newest last."""
        said: dict[str, Any] = {}
        for record in self.records:
            said |= record.get("run", {})
        return said

    @property
    def end(self) -> dict[str, Any] | None:
        """How the writer said it ended."""
        return next((record["writer"] for record in reversed(self.records) if "writer" in record), None)

    @property
    def refused(self) -> dict[str, int]:
        """Points refused, by reason."""
        counts: dict[str, int] = {}
        for record in self.records:
            if "refused" in record:
                reason = record["refused"]["reason"].removeprefix("REFUSAL_REASON_")
                counts[reason] = counts.get(reason, 0) + int(record["refused"]["count"])
        return counts


def read_spools(folder: Path) -> list[Spool]:
    """Every spool below a folder, in the order in which their writers started."""
    found = [_read(directory) for directory in writer_dirs(folder)]
    return sorted(found, key=lambda spool: int(spool.identity["started_us"]))


def offline(code: str, folder: Path, **env: str) -> list[Spool]:
    """Runs a program offline; fails if it fails."""
    done = run_offline(code, folder, **env)
    assert done.returncode == 0, done.stderr
    return read_spools(folder)


def run_offline(code: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a program offline."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environ(**({"RUNSTREAM_MODE": "offline"} | env)),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _read(directory: Path) -> Spool:
    identity: Mapping[str, Any] = json.loads((directory / "writer.json").read_text("utf-8"))
    spool = Spool(dict(identity))
    reader = SpoolReader(directory)
    rows: list[tuple[int, int, dict[str, float]]] = []
    while (chunk := reader.read()) is not None:
        assert (chunk.damaged_bytes, chunk.lost_seqs) == (0, 0)
        spool.records += [record for _, record in chunk.records]
        for each in chunk.rows:
            for seq, step, values in zip(each.seqs.tolist(), each.steps.tolist(), each.values.tolist(), strict=True):
                rows.append((seq, step, dict(zip(each.keys, values, strict=True))))
    reader.close()
    spool.rows = [(step, row) for _, step, row in sorted(rows, key=lambda entry: entry[0])]
    return spool
