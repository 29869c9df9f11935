"""Clocks of trainer, forwarder and ingest jump by hours, back and forth: everything is stored and the run finishes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fault.fleet import Fleet
from support.processes import ROOT, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(300)]

_HOUR_S = 3600


class Clocks:
    """Where processes read how far their clock is off."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.env = {
            "PYTHONPATH": f"{ROOT}:{Path(__file__).with_name('clock')}",
            "RUNSTREAM_TEST_CLOCKS": str(folder),
        }

    def jump(self, kind: str, hours: int) -> None:
        building = self.folder / f"{kind}.building"
        building.write_text(str(hours * _HOUR_S))
        building.replace(self.folder / kind)


@pytest.mark.parametrize("last_hours", [-30, 30], ids=["back", "forth"])
def test_I2_clocks_that_jump_by_hours_change_no_point_and_no_end(tmp_path: Path, last_hours: int) -> None:
    draw = random.Random(last_hours)
    clocks = Clocks(tmp_path / "clocks")
    steps = 3000
    with Fleet(tmp_path, "clock", ingests=2, env=clocks.env) as fleet:
        trainers = [fleet.start_trainer("run", rank, steps=steps) for rank in (0, 1)]
        for more in range(steps // 20, steps - 200, steps // 20):
            wait_until(lambda more=more: trainers[0].returned() >= more)  # type: ignore[misc]
            clocks.jump(draw.choice(["trainer", "forwarder", "ingest"]), draw.randrange(-20, 20))
        for kind in ("trainer", "forwarder", "ingest"):
            clocks.jump(kind, last_hours)
        fleet.settle()
        fleet.check()
        assert fleet.state("run") == "RUN_STATE_FINISHED"


def test_a_clock_that_went_back_hides_neither_a_crash_nor_the_latest_word(tmp_path: Path) -> None:
    clocks = Clocks(tmp_path / "clocks")
    with Fleet(tmp_path, "clock", env=clocks.env) as fleet:
        trainer = fleet.start_trainer("run", 0, steps=20_000)
        wait_until(lambda: fleet.acked() > 500)
        for kind in ("trainer", "forwarder"):
            clocks.jump(kind, -5)
        trainer.process.kill()
        fleet.settle()
        fleet.check()
        assert fleet.state("run") == "RUN_STATE_CRASHED"
