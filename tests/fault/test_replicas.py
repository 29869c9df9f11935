"""Two ingest processes behind one address list: one is killed, or comes back from the dead with old batches (I2)."""

from __future__ import annotations

import os
import signal
import urllib.request
from pathlib import Path

import psutil
import pytest
from fault.fleet import Fleet
from support.processes import wait_until

from runstream.store.client import Store

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(300)]


def stored_points(fleet: Fleet) -> int:
    store = Store(fleet.engine_url)
    ((count,),) = store.query("SELECT count() FROM points FINAL")
    store.close()
    return int(count)


def pending_points(fleet: Fleet, index: int) -> int:
    """Points that an ingest process holds."""
    with urllib.request.urlopen(f"{fleet.ingests[index].url}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    (line,) = [line for line in lines if line.startswith("runstream_ingest_pending_points ")]
    return int(float(line.split()[1]))


def connections(fleet: Fleet, index: int) -> int:
    """How many forwarders are connected to an ingest process."""
    port = fleet.grpc_port(index)
    found = psutil.Process(fleet.ingests[index].popen.pid).net_connections("tcp")
    return sum(each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED for each in found)


def test_I2_writers_of_a_killed_ingest_move_to_the_other_and_close_their_accounts(tmp_path: Path) -> None:
    with Fleet(tmp_path, "replicas", ingests=2) as fleet:
        runs = [f"run-{number}" for number in range(6)]
        for run in runs:
            fleet.start_trainer(run, 0, steps=5000)
        wait_until(lambda: all(trainer.returned() > 500 for trainer in fleet.trainers), what="all train")
        wait_until(lambda: fleet.acked() > 3000, what="points are stored")
        victim = max((0, 1), key=lambda index: connections(fleet, index))
        assert connections(fleet, victim) > 0
        fleet.ingests[victim].kill()
        # It stays away: what its writers had not been told of goes through the other one.
        fleet.settle()
        report = fleet.check()
        assert report.writers == len(runs)
        assert [fleet.state(run) for run in runs] == ["RUN_STATE_FINISHED"] * len(runs)


def test_I2_a_stopped_ingest_that_wakes_after_the_account_is_closed_changes_nothing(tmp_path: Path) -> None:
    with Fleet(tmp_path, "replicas", ingests=2) as fleet:
        trainer = fleet.start_trainer("run", 0, steps=6000)
        wait_until(lambda: fleet.acked() > 1000, what="points are stored")
        stale = max((0, 1), key=lambda index: connections(fleet, index))
        fleet.engine.kill()  # so batches stay in the memory of ingest
        wait_until(lambda: pending_points(fleet, stale) > 100, what="ingest holds batches")
        os.kill(fleet.ingests[stale].popen.pid, signal.SIGSTOP)
        try:
            fleet.engine = fleet.start_engine()
            # The forwarder finds out by itself, by its keepalive of 30 and 10 s, and sends what was not acked to the
            # other one.
            wait_until(lambda: fleet.open_spools() == 0, deadline_s=80, what="the account is closed")
            assert fleet.state("run") == "RUN_STATE_FINISHED"
            assert trainer.process.wait(60) == 0
            before = stored_points(fleet)
        finally:
            os.kill(fleet.ingests[stale].popen.pid, signal.SIGCONT)
        wait_until(lambda: pending_points(fleet, stale) == 0, what="what it held is inserted, late")
        assert fleet.ingests[stale].stop() == 0
        assert stored_points(fleet) == before
        fleet.settle()
        fleet.check()
        assert fleet.state("run") == "RUN_STATE_FINISHED"
