"""What was logged against what is stored, point by point: key, rank, step, bits. No more, no less."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from fault.trainer import row
from support.asking import ask, history

from runstream.store.client import Store

KEYS = ["loss", "odd", "rare"]
_PAGE_STEPS = 10_000  # most that the API gives step by step


class Curve(NamedTuple):
    """Steps and values of one key and rank."""

    steps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


_NOTHING = Curve(np.array([], np.int64), np.array([], np.float64))


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
            f"network faults {_counted(self.network)}\n{self.account}"
        )

    @property
    def account(self) -> str:
        """Logged against stored."""
        return (
            f"{self.writers} writers, points logged {self.logged:,}, points stored {self.stored:,}, "
            f"duplicates {self.duplicates}, missing {self.missing}, wrong {self.wrong}"
        )

    @property
    def is_clean(self) -> bool:
        """Whether the stored set is the logged set."""
        return self.stored == self.logged > 0 and not (self.missing or self.duplicates or self.wrong)


def compare(report: Report, trainers: Sequence[Trainer], query_url: str, project: str) -> None:
    """Compares every point of trainers that have ended with what the query service finds.

    A call that was killed between its write and its return may be stored or not, whole: it counts as logged if it is.
    """
    by_run: dict[str, list[Trainer]] = {}
    for trainer in trainers:
        by_run.setdefault(trainer.run, []).append(trainer)
    for run, group in by_run.items():
        steps = max(trainer.returned() for trainer in group) + 1
        found = _stored(query_url, f"local/{project}/{run}", steps)
        for trainer in group:
            _compare_writer(report, trainer, {key: found.pop((key, trainer.rank), _NOTHING) for key in KEYS})
        report.wrong += sum(len(curve.steps) for curve in found.values())  # of ranks that nobody was


def _compare_writer(report: Report, trainer: Trainer, stored: Mapping[str, Curve]) -> None:
    returned = trainer.returned()
    if trainer.process.returncode and returned in stored["loss"].steps[-1:]:
        returned += 1
    rows = [row(trainer.rank, step) for step in range(returned)]
    report.writers += 1
    for key, curve in stored.items():
        steps = np.array([step for step, logged in enumerate(rows) if key in logged], np.int64)
        values = np.array([logged[key] for logged in rows if key in logged], np.float64)
        report.logged += len(steps)
        report.stored += len(curve.steps)
        both, at_logged, at_stored = np.intersect1d(steps, curve.steps, return_indices=True)
        report.missing += len(steps) - len(both)
        report.wrong += len(curve.steps) - len(both)
        report.wrong += int((values.view(np.uint64)[at_logged] != curve.values.view(np.uint64)[at_stored]).sum())


def _stored(query_url: str, run: str, steps: int) -> dict[tuple[str, int], Curve]:
    """Every point of a run that a query finds, by key and rank."""
    pages: dict[tuple[str, int], list[Curve]] = {}
    for first in range(0, steps, _PAGE_STEPS):
        page = {"from_step_inclusive": first, "to_step_exclusive": first + _PAGE_STEPS}
        for curve in history(query_url, runs=[run], keys=KEYS, max_buckets=_PAGE_STEPS, **page):
            assert curve.exact
            found = Curve(np.array(curve.steps, np.int64), np.array(curve.last, np.float64))
            pages.setdefault((curve.key, curve.rank), []).append(found)
    return {place: Curve(*map(np.concatenate, zip(*curves, strict=True))) for place, curves in pages.items()}


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
