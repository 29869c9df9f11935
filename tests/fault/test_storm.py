"""200 random kills: afterwards the stored set is the logged set, point by point (I1, I2, I3)."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from fault.storm import Storm

pytestmark = [pytest.mark.slow, pytest.mark.fault]


@pytest.mark.timeout(400)
def test_I2_a_storm_of_kills_loses_doubles_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("RUNSTREAM_STORM_SEED") or random.SystemRandom().randrange(1 << 32))
    storm = Storm(tmp_path, seed)
    try:
        storm.blow(int(os.environ.get("RUNSTREAM_STORM_KILLS", "200")))
        storm.settle()
        report = storm.check()
    finally:
        storm.stop()
        with capsys.disabled():
            print(f"\n{storm.report}")
    assert report.stored >= report.logged > 0
    assert (report.missing, report.duplicates, report.wrong) == (0, 0, 0)
