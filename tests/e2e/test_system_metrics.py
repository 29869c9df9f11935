"""System metrics of real processes: there beside what they log, and never in its accounts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from support.asking import ask, points
from support.processes import run_cli, wait_until
from support.worlds import World

from runstream.spool.places import writer_dirs

KEY = "system/memory_rss_mb"
TRAINER = """
import json, runstream, sys
run = runstream.init(project="system", id=sys.argv[1], settings={"quiet": True})
run.log({"loss": 1.0})
print("logging", flush=True)
sys.stdin.readline()
run.log({"loss": 0.5})
run.finish()
print(json.dumps(run.receipt.__dict__))
"""


def start(env: dict[str, str], folder: Path, run_id: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    trainer = subprocess.Popen(
        [sys.executable, "-c", TRAINER, run_id], env=env, cwd=folder, stdin=pipe, stdout=pipe, text=True
    )
    assert trainer.stdout is not None
    assert trainer.stdout.readline() == "logging\n"
    return trainer


def finish(trainers: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    for trainer in trainers:
        assert trainer.stdin is not None
        trainer.stdin.write("\n")
        trainer.stdin.flush()
    return [json.loads(trainer.communicate(timeout=60)[0]) for trainer in trainers]


def accounts(folder: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Identity and receipt of each auxiliary writer."""
    found = []
    for directory in writer_dirs(folder):
        who = json.loads((directory / "writer.json").read_text())
        if who.get("auxiliary"):
            found.append((who, json.loads((directory / "receipt.json").read_text())))
    return found


def wait_until_all_is_closed(folder: Path) -> None:
    wait_until(lambda: not list(writer_dirs(folder, only_open=True)), what="every account closed")


def test_every_rank_has_them_and_no_account_of_the_run_counts_them(world: World, tmp_path: Path) -> None:
    env = world.env(WORLD_SIZE="2", RUNSTREAM_SYSTEM_METRICS="true")
    trainers = [start({**env, "RANK": str(rank)}, tmp_path, "two") for rank in range(2)]
    name = "local/system/two"
    wait_until(lambda: {(KEY, 0), (KEY, 1)} <= points(world.query_url, name, [KEY]).keys(), what="both ranks")
    receipts = finish(trainers)
    assert [(receipt["sent"], receipt["stored"], receipt["complete"]) for receipt in receipts] == [(2, 2, True)] * 2
    wait_until_all_is_closed(tmp_path)
    shown = ask(world.query_url, "GetRun", name=name)
    assert shown["run"]["state"] == "RUN_STATE_FINISHED"
    assert sorted((writer.get("rank", 0), writer["stored"]) for writer in shown["writers"]) == [(0, "2"), (1, "2")]
    assert shown["run"]["summary"] == {"loss": 0.5}
    closed = accounts(tmp_path)
    assert sorted(who["rank"] for who, _ in closed) == [0, 1]
    assert all(receipt["sent"] == receipt["stored"] > 0 and receipt["complete"] for _, receipt in closed)
    found = points(world.query_url, name, [KEY, "system/node/cpu"])
    assert found[KEY, 0].keys() <= set(range(60))
    assert ("system/node/cpu", 1) not in found
    assert run_cli("spool", "verify", str(tmp_path), env=env, cwd=tmp_path).returncode == 0


def test_I2_a_killed_forwarder_leaves_them_to_the_next_one(world: World, tmp_path: Path) -> None:
    env = world.env(RUNSTREAM_SYSTEM_METRICS="true")
    trainer = start(env, tmp_path, "killed")
    name = "local/system/killed"
    wait_until(lambda: points(world.query_url, name, [KEY]), what="a first sample")
    os.kill(forwarder_of(trainer.pid), signal.SIGKILL)
    before = wait_until(lambda: accounts_or_none(tmp_path, 1), what="what it left is closed")
    count = len(points(world.query_url, name, [KEY])[KEY, 0])
    wait_until(lambda: len(points(world.query_url, name, [KEY])[KEY, 0]) > count, what="the next one samples")
    (receipt,) = finish([trainer])
    assert (receipt["sent"], receipt["stored"], receipt["complete"]) == (2, 2, True)
    wait_until_all_is_closed(tmp_path)
    closed = accounts(tmp_path)
    assert len(closed) == 2
    assert before[0] in closed
    assert all(receipt["gaps"] == 0 and receipt["sent"] == receipt["stored"] > 0 for _, receipt in closed)
    shown = ask(world.query_url, "GetRun", name=name)
    assert (shown["run"]["state"], len(shown["writers"])) == ("RUN_STATE_FINISHED", 1)


def test_a_short_run_has_none_and_a_finish_waits_for_none(world: World, tmp_path: Path) -> None:
    trainer = start(world.env(RUNSTREAM_SYSTEM_METRICS="true"), tmp_path, "short")
    finish([trainer])
    wait_until_all_is_closed(tmp_path)
    trainer = start(world.env(RUNSTREAM_SYSTEM_METRICS="false"), tmp_path, "off")
    time.sleep(2)
    finish([trainer])
    assert not any(json.loads((each / "writer.json").read_text())["run"] == "off" and "system" in each.name
                   for each in writer_dirs(tmp_path))  # fmt: skip


def forwarder_of(pid: int) -> int:
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
            command = (place / "cmdline").read_text()
        except OSError:
            continue
        if parent == str(pid) and "runstream.forward" in command:
            return int(place.name)
    raise AssertionError(f"process {pid} has no forwarder")


def accounts_or_none(folder: Path, count: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    try:
        found = accounts(folder)
    except FileNotFoundError:  # one is open; the next forwarder's own may be too, a little later
        return []
    return found if len(found) >= count else []
