"""What was logged against what is stored, point by point: key, rank, step, bits. No more, no less."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fault.trainer import bits_of, row
from support.asking import ask, points

from runstream.store.client import Store

KEYS = ["loss", "odd", "rare"]


@dataclass
class Trainer:
    """One process of a run, ``fault/trainer.py``."""

    run: str
    rank: int
    counter: Path
    process: subprocess.Popen[bytes]

    def returned(self) -> int:
        """How many log() calls returned."""
        return int(self.counter.read_text() or 0) if self.counter.exists() else 0


@dataclass
class Report:
    """What was done to a fleet and what was found after it."""

    seed: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    pauses: Counter[str] = field(default_factory=Counter)
    network: Counter[str] = field(default_factory=Counter)
    writers: int = 0
    logged: int = 0
    stored: int = 0
    missing: int = 0
    duplicates: int = 0
    wrong: int = 0

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: kills {_counted(self.kills)}; pauses {_counted(self.pauses)}; "
            f"network faults {_counted(self.network)}; {self.writers} writers\n"
            f"points logged {self.logged:,}, points stored {self.stored:,}, duplicates {self.duplicates}, "
            f"missing {self.missing}, wrong {self.wrong}"
        )

    @property
    def is_clean(self) -> bool:
        """Whether the stored set is the logged set."""
        return self.stored == self.logged > 0 and not (self.missing or self.duplicates or self.wrong)


def compare(report: Report, trainers: Sequence[Trainer], query_url: str, project: str) -> None:
    """Compares every point of trainers that have ended with what the query service finds.

    A call that was killed between its write and its return may be stored or not, whole: it counts as logged if it is.
    """
    for trainer in trainers:
        report.writers += 1
        found = points(query_url, f"local/{project}/{trainer.run}", KEYS)
        of_rank = {key: found.pop((key, trainer.rank), {}) for key in KEYS}
        returned = trainer.returned()
        if trainer.process.returncode and returned in of_rank["loss"]:
            returned += 1
        expected = {(key, step): value for step in range(returned) for key, value in row(trainer.rank, step).items()}
        stored = {(key, step): value for key, curve in of_rank.items() for step, value in curve.items()}
        report.logged += len(expected)
        report.stored += len(stored)
        report.missing += len(expected.keys() - stored.keys())
        report.wrong += len(stored.keys() - expected.keys())
        both = expected.keys() & stored.keys()
        report.wrong += sum(bits_of(expected[point]) != bits_of(stored[point]) for point in both)


def count_duplicates(report: Report, engine_url: str) -> None:
    """Counts row keys that FINAL shows more than once, and points of runs or keys that nobody logged."""
    store = Store(engine_url)
    by_key = "project_id, run_id, key, step, rank, attempt"
    ((rows, keys),) = store.query(f"SELECT count(), uniqExact({by_key}) FROM points FINAL")
    store.close()
    report.duplicates += int(rows) - int(keys)
    report.wrong += max(0, int(keys) - report.stored)


def check_receipts(spools: Path, query_url: str, project: str) -> None:
    """Every account is closed, without gaps, and says the same on disk and on the run's page."""
    accounts = {identity.parent: json.loads(identity.read_text()) for identity in spools.rglob("writer.json")}
    shown = {
        (run, writer["writer"]): writer
        for run in {who["run"] for who in accounts.values()}
        for writer in ask(query_url, "GetRun", name=f"local/{project}/{run}")["writers"]
    }
    for directory, who in accounts.items():
        receipt = json.loads((directory / "receipt.json").read_text())
        page = shown[(who["run"], who["writer"])]
        assert receipt["complete"], receipt
        assert receipt["gaps"] == 0, receipt
        assert receipt["sent"] == receipt["stored"], receipt
        assert page["complete"], page
        assert int(page["stored"]) == receipt["stored"], (page, receipt)


def _counted(counter: Counter[str]) -> str:
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(counter.items()))
    return f"{counter.total()} ({kinds})"
