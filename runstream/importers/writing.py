"""Writes an imported run as the spool of one writer, as if it had been logged offline.

    row key   run, key, step, rank 0, attempt      from the source alone: a second import replaces the same points
    version   frame sequence, from the clock       a later import has the higher ones: if the source has changed, the
                                                   newer value wins wherever the rows stand in it now

The sequence begins at the microsecond of the import. A row takes longer than that to read and write, so imports that
follow each other never overlap.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runstream.documents import to_json
from runstream.importers.imported import ImportedRun, State
from runstream.spool.bulk import Rows
from runstream.spool.ledger import Ledger
from runstream.spool.writer import SpoolWriter

_STATES: dict[State, tuple[str, int]] = {
    "finished": ("RUN_STATE_FINISHED", 0),
    "failed": ("RUN_STATE_FAILED", 1),
    "crashed": ("RUN_STATE_CRASHED", 1),
}


def write_spool(run: ImportedRun, run_dir: Path, *, entity: str, project: str, source: str) -> int:
    """Writes a writer's directory in ``run_dir``, which must not have one, and returns the values handed to it."""
    after_seq = time.time_ns() // 1000
    writer_id = f"import-{source}-{run.attempt}"
    directory = run_dir / f"r0-a{run.attempt}-{writer_id}"
    identity = {
        "entity": entity,
        "project": project,
        "run": run.id,
        "attempt": run.attempt,
        "rank": 0,
        "world_size": 1,
        "writer": writer_id,
        "forwarder": "none",
        "host": socket.gethostname(),
        "process_id": os.getpid(),
        "started_us": max(run.created_ms, 0) * 1000,
    }
    writer = SpoolWriter(directory, identity, after_seq=after_seq)
    try:
        with writer.lock:
            _append(writer, run)
    finally:
        writer.close()
    ledger = Ledger(directory)
    ledger.account.acked_seq_inclusive = after_seq  # else what was before would count as lost
    ledger.keep()
    return writer.all_sent_points


def _append(writer: SpoolWriter, run: ImportedRun) -> None:
    writer.append_record({"run": _attributes(run)})
    for kind, document in (("KIND_CONFIG", run.config), ("KIND_SUMMARY", run.summary)):
        if document:
            writer.append_record({"document": {"kind": kind, "json": json.dumps(to_json(document))}})
    for column in run.columns:
        Rows((column.key,), column.steps, column.times_ms, column.values[:, None]).append_to(writer)
    writer.flush_refusals()
    state, exit_code = _STATES[run.state]
    writer.append_record({"writer": {"state": state, "exitCode": exit_code}})


def _attributes(run: ImportedRun) -> Mapping[str, Any]:
    said = {"displayName": run.name, "notes": run.notes, "group": run.group, "jobType": run.job_type}
    tags = {"tags": {"values": list(run.tags)}} if run.tags else {}
    return {name: text for name, text in said.items() if text} | tags
