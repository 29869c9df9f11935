"""An hour without any server: training goes on as if nothing were, then everything arrives once (I2, I4)."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault.fleet import Fleet
from support.processes import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.fault]

# An hour of four ranks that log 100 rows a second, as fast as it goes: 1.44 million rows, 3.0 million points.
_RANKS = 4
_ROWS = 100 * 3600


@pytest.mark.timeout(600)
def test_I4_an_hour_without_a_server_costs_training_nothing_and_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Fleet(tmp_path, "outage") as fleet:
        fleet.ingests[0].kill()
        fleet.engine.kill()
        trainers = [fleet.start_trainer("run", rank, steps=_ROWS, pause_s=0) for rank in range(_RANKS)]
        for trainer in trainers:
            # init(), every log() and finish() have returned, and nothing was raised.
            assert trainer.process.wait(300) == 0
            assert trainer.returned() == _ROWS
            said = fleet.said(trainer)
            assert sum("not sending yet" in line for line in said) <= 1, said
            assert sum("points are safe in the spool" in line for line in said) == 1, said
            assert len(said) <= 2, said
        assert fleet.acked() == 0

        fleet.engine = fleet.start_engine()
        fleet.ingests[0] = fleet.start_ingest(0)
        wait_until(lambda: fleet.open_spools() == 0, deadline_s=300, what="all of it arrives")
        fleet.settle()
        report = fleet.check()
        assert report.stored == _RANKS * (2 * _ROWS + _ROWS // 10)
        assert fleet.state("run") == "RUN_STATE_FINISHED"
        with capsys.disabled():
            print(f"\nan hour without a server: {report.account}")
