"""Random kills of programs and pumps under load: what came through is whole, in order, once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import console
from support.processes import environ

_PROGRAM = """
capture = start()
for n in range(200_000):
    os.write(1, b"%d\\n" % n)
    if n % 1000 == 0: sys.stderr.write(f"\\r{n}"); sys.stderr.flush(); time.sleep(0.002)
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_I1_whatever_is_killed_output_comes_through_whole_and_in_order(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    captured = tmp_path / "captured"
    command = [sys.executable, "-c", console.PRELUDE + _PROGRAM, str(captured)]
    with (
        (tmp_path / "stdout").open("wb") as stdout,
        subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL, env=environ()) as process,
    ):
        pump = console.pump_of(captured)
        time.sleep(chance.uniform(0, 0.3))
        kills_pump = bool(seed % 2)
        if kills_pump:
            console.kill_pump(captured)
        else:
            process.send_signal(signal.SIGKILL)
        process.wait(60)
    console.wait_gone(pump)
    came = [int(line) for line in (tmp_path / "stdout").read_bytes().split(b"\n")[:-1]]
    if kills_pump:
        # What the pump had read and not written yet went with it: at most one read of 64 KiB.
        missing = set(range(200_000)) - set(came)
        assert sum(len(str(n)) + 1 for n in missing) <= 1 << 16
        assert process.returncode == 0
    else:
        assert came == list(range(len(came)))
        told = console.told(-9, b"", b"", captured)
        kept = [int(text) for text in told.texts("stdout") if text.isdigit()]
        if not any(text.startswith("[runstream") for text in told.texts()):
            assert kept == came
