"""The disk under the engine fills up: ingest waits and holds, nothing acknowledged is lost, all is stored once (I2)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from fault.fleet import Fleet
from support import small_disk
from support.processes import wait_until

from runstream.store.client import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(300),
]


def readiness(url: str) -> dict[str, object]:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as response:
            said: dict[str, object] = json.load(response)
    except urllib.error.HTTPError as error:
        said = json.load(error)
    return said


def test_I2_a_full_disk_under_the_engine_holds_points_back_and_loses_none(tmp_path: Path) -> None:
    assert small_disk.is_available(), "this machine allows its users no mount namespaces (unshare -rm)"
    mount = tmp_path / "engine"
    mount.mkdir()
    disk = [small_disk.__file__, str(mount), "200m"]
    with Fleet(tmp_path, "full", disk=disk) as fleet:
        trainers = [fleet.start_trainer("run", rank, steps=8000) for rank in (0, 1)]
        wait_until(lambda: fleet.acked() > 1000, what="points are stored")
        room = small_disk.disk_of(fleet.engine.popen.pid, mount)
        small_disk.fill(room)
        wait_until(lambda: not readiness(fleet.ingests[0].url)["ready"], what="ingest says that it cannot store")
        assert "not enough space" in str(readiness(fleet.ingests[0].url)["because"])

        logged = [trainer.returned() + 1000 for trainer in trainers]
        wait_until(
            lambda: all(trainer.returned() >= more for trainer, more in zip(trainers, logged, strict=True)),
            what="training goes on",
        )
        acked = fleet.acked()
        store = Store(fleet.engine_url)
        ((stored,),) = store.query("SELECT count() FROM points FINAL")
        store.close()
        assert acked <= stored < sum(2 * trainer.returned() for trainer in trainers)  # two keys a row and more

        small_disk.free(room)
        wait_until(lambda: readiness(fleet.ingests[0].url)["ready"], what="ingest goes on")
        fleet.settle()
        assert fleet.check().writers == 2
        assert fleet.state("run") == "RUN_STATE_FINISHED"
