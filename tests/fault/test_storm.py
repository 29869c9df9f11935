"""200 random kills, with pauses and network faults: afterwards the stored set is the logged set (I1, I2, I3, I4)."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from fault.storm import Storm

pytestmark = [pytest.mark.slow, pytest.mark.fault]


@pytest.mark.timeout(500)
def test_I2_a_storm_of_kills_and_network_faults_loses_doubles_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("RUNSTREAM_STORM_SEED") or random.SystemRandom().randrange(1 << 32))
    with Storm(tmp_path, seed) as storm:
        try:
            storm.blow(int(os.environ.get("RUNSTREAM_STORM_KILLS", "200")))
            storm.settle()
            storm.check()
        finally:
            with capsys.disabled():
                print(f"\n{storm.report}")
