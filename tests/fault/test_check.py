"""The check of the fault suite finds what it is there to find: a check that cannot fail would show nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fault import check
from fault.check import Curve, Report, Trainer
from fault.trainer import row

STEPS = 30


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    counter = tmp_path / "count"
    counter.write_text(str(STEPS))
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return Trainer("run", 0, counter, process)


def sound() -> dict[tuple[str, int], Curve]:
    rows = [row(0, step) for step in range(STEPS)]
    return {
        (key, 0): Curve(
            np.array([step for step, logged in enumerate(rows) if key in logged]),
            np.array([logged[key] for logged in rows if key in logged], np.float64),
        )
        for key in check.KEYS
    }


def compared(trainer: Trainer, found: dict[tuple[str, int], Curve], monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr(check, "_stored", lambda *_: dict(found))
    report = Report()
    check.compare(report, [trainer], "", "")
    return report


def test_what_is_equal_is_clean(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compared(trainer, sound(), monkeypatch).is_clean


def test_a_missing_point_is_found(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sound()
    curve = found["loss", 0]
    found["loss", 0] = Curve(curve.steps[1:], curve.values[1:])
    assert compared(trainer, found, monkeypatch).missing == 1


def test_a_point_of_another_rank_or_step_is_found(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sound()
    found["loss", 7] = Curve(np.array([0]), np.array([0.0]))
    curve = found["loss", 0]
    found["loss", 0] = Curve(np.append(curve.steps, STEPS), np.append(curve.values, 1.0))
    assert compared(trainer, found, monkeypatch).wrong == 2


def test_another_bit_is_found_even_where_values_are_equal_or_not_numbers(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sound()
    values = found["odd", 0].values
    values[0] = -values[0]  # a NaN of the other sign
    values[5] = 0.0  # was minus zero
    assert compared(trainer, found, monkeypatch).wrong == 2
