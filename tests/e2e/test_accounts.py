"""What the process was told, what its spool says and what the server shows are one account."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from support.processes import environ, run_cli, run_python, wait_until
from support.worlds import World

ACCOUNT = ("sent", "stored", "refused", "complete")


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr + done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def verified(folder: Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Writers by id, and the total."""
    *writers, total = lines(run_cli("spool", "verify", "--json", "runstream-runs", env=environ(), cwd=folder))
    return {each["writer"]: each for each in writers}, total


def shown(world: World, run: str, folder: Path) -> dict[str, Any]:
    (found,) = lines(run_cli("run", "show", run, "--json", env=environ(RUNSTREAM_BASE_URL=world.query_url), cwd=folder))
    return found


def agree(receipts: dict[str, dict[str, Any]], spools: dict[str, dict[str, Any]], run: dict[str, Any]) -> None:
    """Receipts and spools by writer's id, against the run as the server shows it."""
    on_server = {each["writer"]: [each[name] for name in ACCOUNT] for each in run["writers"]}
    assert on_server == {writer: [each[name] for name in ACCOUNT] for writer, each in receipts.items()}
    assert on_server == {writer: [each[name] for name in ACCOUNT] for writer, each in spools.items()}

    def refusals(of: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
        return sorted((each["reason"], each["field"], each["count"]) for each in of)

    in_spools = [refusal for each in spools.values() for refusal in each["refusals"]]
    assert refusals(run["refusals"]) == refusals(in_spools)
    assert sum(each["count"] for each in run["refusals"]) == run["refused"]


def test_I3_receipts_spools_and_the_server_agree(world: World, tmp_path: Path) -> None:
    code = """
import json, os, runstream
run = runstream.init(project="accounts", id="sound", name="a name", attempt=2)
for step in range(100):
    run.log({"loss": step, "acc": 1.0, **({"text": b"x", "none": 1j} if run.rank and step < 3 else {})}, step=step)
run.finish()
print(json.dumps([json.load(open(run.dir + "/writer.json"))["writer"], run.receipt.__dict__]))
"""
    env = world.env(WORLD_SIZE="2")
    receipts = dict(json.loads(run_python(code, {**env, "RANK": rank}, tmp_path)) for rank in "01")
    spools, total = verified(tmp_path)
    run = shown(world, "accounts/sound", tmp_path)
    agree(receipts, spools, run)
    assert (total["writers"], total["open"], total["problems"], total["waiting"]) == (2, 0, 0, 0)
    assert [total[name] for name in ("sent", "stored", "refused")] == [406, 400, 6]
    assert (run["run"], run["name"], run["state"]) == ("local/accounts/sound", "a name", "finished")
    assert (run["attempts"], run["world_size"], run["keys"], run["points"]) == ([2], 2, 2, 400)
    assert [each["rank"] for each in run["writers"]] == [0, 1]
    text = run_cli("run", "show", "-/accounts/sound", env=environ(RUNSTREAM_BASE_URL=world.query_url), cwd=tmp_path)
    assert "refused 3: NOT_A_NUMBER 'text': value is bytes: decode them" in text.stdout
    assert "2 keys, 400 points found" in text.stdout


TRAINER = """
import os, sys, time, runstream
out = os.open("returned", os.O_WRONLY | os.O_CREAT, 0o600)
run = runstream.init(project="accounts", id=sys.argv[1], attempt=1)
for step in range(1_000_000):
    run.log({"loss": step, "bad": b"x"} if step % 10 == 0 else {"loss": step}, step=step)
    os.pwrite(out, b"%020d" % (step + 1), 0)
    time.sleep(0.002)
"""


def test_I3_they_agree_after_process_and_forwarder_were_killed_and_sync_sent_the_rest(
    world: World, tmp_path: Path
) -> None:
    run = f"killed-{world.name}"
    (tmp_path / "train.py").write_text(TRAINER)
    env = world.env()
    trainer = subprocess.Popen([sys.executable, "train.py", run], cwd=tmp_path, env=env, stderr=subprocess.DEVNULL)
    (tmp_path / "returned").touch()
    wait_until(lambda: int((tmp_path / "returned").read_text() or 0) > 300, what="it trains")
    os.kill(trainer.pid, signal.SIGSTOP)  # it must not start another forwarder
    run_dir = str(tmp_path / "runstream-runs" / "accounts" / run)
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[-3:] == ["-m", "runstream.forward", run_dir]:
            process.kill()
            wait_until(lambda process=process: not process.is_running() or process.status() == "zombie")  # type: ignore[misc]
    trainer.kill()
    trainer.wait()
    returned = int((tmp_path / "returned").read_text())
    (spool,) = verified(tmp_path)[0].values()
    assert not spool["closed"]
    # Each row has one number; refusals are written down once a second, so the last ones died with the process.
    bad = spool["sent"] + spool["waiting"] - returned
    assert 0 <= bad <= (returned + 9) // 10 + 1
    (receipt,) = lines(run_cli("sync", "--json", env=env, cwd=tmp_path))
    spools, total = verified(tmp_path)
    found = shown(world, f"accounts/{run}", tmp_path)
    agree({receipt["writer"].rpartition("-")[2]: receipt}, spools, found)
    assert total["sent"] == spool["sent"] + spool["waiting"]
    assert (found["state"], found["points"]) == ("crashed", receipt["stored"])
    assert receipt["stored"] in (returned, returned + 1)


def test_runs_are_listed_newest_first_page_by_page(world: World, tmp_path: Path) -> None:
    code = """
import runstream
for number in range(3):
    for project in ("list-a", "list-b"):
        runstream.init(project=project, id=f"{project}-{number}", settings={"quiet": True}).finish()
"""
    run_python(code, world.env(), tmp_path)
    env = environ(RUNSTREAM_BASE_URL=world.query_url)

    def listed(*arguments: str) -> list[str]:
        found = [
            each["run"].split("/", 1)[1]
            for each in lines(run_cli("run", "ls", "--json", *arguments, env=env, cwd=tmp_path))
        ]
        return [run for run in found if run.startswith("list-")]

    assert listed("list-a") == [f"list-a/list-a-{number}" for number in (2, 1, 0)]
    assert listed("-/list-a", "--limit", "2") == [f"list-a/list-a-{number}" for number in (2, 1)]
    both = [f"{project}/{project}-{number}" for number in (2, 1, 0) for project in ("list-b", "list-a")]
    assert listed() == both
    code = "import sys; from runstream.cli import run; run._PAGE = 2; from runstream.cli import main; sys.exit(main())"
    small = subprocess.run(
        [sys.executable, "-c", code, "run", "ls", "list-a", "--json"],
        env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert [each["run"] for each in lines(small)] == [f"local/list-a/list-a-{number}" for number in (2, 1, 0)]
    text = run_cli("run", "ls", "list-b", env=env, cwd=tmp_path)
    assert "finished" in text.stdout.splitlines()[0]
    assert run_cli("run", "ls", "list-none", env=env, cwd=tmp_path).stdout == ""
    missing = run_cli("run", "show", "list-a/none", env=env, cwd=tmp_path)
    assert (missing.returncode, "does not exist" in missing.stderr) == (1, True)
