"""What a run says that is no number, its whole way: spooled with its files, stored once, given back as it was."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from support.asking import ask, points
from support.processes import run_cli, run_python, wait_until
from support.worlds import World

from runstream.errors import NotFound

LOGS = """
import json, numpy as np, runstream as wandb
run = wandb.init(project="rich", id=ID, config={"lr": 1})
pixels = (np.arange(30 * 40 * 3) % 251).astype(np.uint8).reshape(30, 40, 3)
for step in range(3):
    picture = wandb.Image(pixels + step, caption="c")
    run.log({"loss": 1 / (step + 1), "note": f"step {step}", "picture": picture}, step=step)
table = wandb.Table(columns=["word", "count"], data=[["a", 1], ["b", 2]])
run.log({"words": table, "weights": wandb.Histogram(np.arange(100.0)), "nothing": None}, step=3)
run.finish()
print(json.dumps(run.receipt.__dict__))
"""


def values(world: World, run: str, *keys: str) -> list[dict[str, Any]]:
    answer = ask(world.query_url, "GetHistoryValues", runs=[f"local/rich/{run}"], keys=list(keys))
    return [{**each, "value": json.loads(each["json"])} for each in answer["values"]]


def content(world: World, url: str) -> bytes:
    with urllib.request.urlopen(world.artifact_url + url, timeout=30) as response:
        return bytes(response.read())


def check(world: World, run: str) -> None:
    """Every value is there once, as it was logged, and every file has the bytes that its digest names."""
    found = values(world, run, "note", "picture", "words", "weights", "nothing")
    assert [each["value"] for each in found if each["key"] == "note"] == ["step 0", "step 1", "step 2"]
    assert [each["value"] for each in found if each["key"] == "nothing"] == [None]
    pictures = [each for each in found if each["key"] == "picture"]
    assert [(each["type"], each["value"]["width"], each["value"]["caption"]) for each in pictures] == [
        ("image-file", 40, "c")
    ] * 3
    for each in pictures:
        png = content(world, each["urls"][0])
        assert png.startswith(b"\x89PNG")
        assert hashlib.sha256(png).hexdigest() == each["value"]["sha256"]
    (words,) = [each for each in found if each["key"] == "words"]
    table = json.loads(content(world, words["urls"][0]))
    assert (table["columns"], table["data"]) == (["word", "count"], [["a", 1], ["b", 2]])
    (weights,) = [each for each in found if each["key"] == "weights"]
    assert sum(weights["value"]["values"]) == 100
    assert points(world.query_url, f"local/rich/{run}", ["loss"]) == {("loss", 0): {0: 1.0, 1: 0.5, 2: 1 / 3}}


def test_media_texts_and_tables_come_back_as_they_were_logged(world: World, tmp_path: Path) -> None:
    receipt = json.loads(run_python(LOGS.replace("ID", "'online'"), world.env(), tmp_path))
    assert (receipt["sent"], receipt["stored"], receipt["refused"], receipt["complete"]) == (12, 12, 0, True)
    check(world, "online")
    # What is on S3 is not kept twice.
    assert not list((tmp_path / "runstream-runs").rglob("*.png"))


@pytest.mark.parametrize("times", [1, 2])
def test_offline_then_sync_and_sync_again_shows_each_value_once(world: World, tmp_path: Path, times: int) -> None:
    run = f"offline-{times}"
    receipt = json.loads(run_python(LOGS.replace("ID", repr(run)), world.env(WANDB_MODE="offline"), tmp_path))
    assert (receipt["sent"], receipt["stored"]) == (12, 0)
    for _ in range(times):
        done = run_cli("sync", "--json", env=world.env(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    check(world, run)


SPEAKS = """
import os, subprocess, sys, runstream
run = runstream.init(project="rich", id=ID, config={"lr": 1})
print("from Python"); sys.stdout.flush()
os.write(2, b"from C\\n")
subprocess.run(["echo", "from a child"])
for part in range(5):
    print(f"\\r{part}/5", end="", flush=True)
print("\\nthe key is rs-" + "a" * 43, flush=True)
"""


def console(world: World, run: str) -> list[str]:
    answer = ask(world.query_url, "GetConsole", run=f"local/rich/{run}")
    return [line.get("text", "") for line in answer.get("lines", [])]


def test_output_is_kept_by_line_and_facts_of_the_start_with_it(world: World, tmp_path: Path) -> None:
    run_python(SPEAKS.replace("ID", "'speaks'") + "run.finish()", world.env(RUNSTREAM_QUIET="1"), tmp_path)
    lines = console(world, "speaks")
    lines.remove("from C")  # the two streams go to different places here, so only each has its order
    assert lines[:3] == ["from Python", "from a child", "4/5"]
    assert lines[3].startswith("the key is ")
    assert "aaaa" not in lines[3]
    metadata = ask(world.query_url, "GetRun", name="local/rich/speaks")["metadata"]
    assert {"program", "requirements", "hardware"} <= set(metadata)


def test_the_last_words_of_a_killed_process_are_kept(world: World, tmp_path: Path) -> None:
    code = SPEAKS.replace("ID", "'killed'") + "os.write(1, b'farewell\\n'); os.kill(os.getpid(), 9)"
    with pytest.raises(AssertionError):
        run_python(code, world.env(RUNSTREAM_QUIET="1"), tmp_path)
    wait_until(lambda: state(world, "killed") == "RUN_STATE_CRASHED", what="the forwarder closes the account")
    assert "farewell" in console(world, "killed")


def test_recording_can_be_switched_off(world: World, tmp_path: Path) -> None:
    code = SPEAKS.replace("ID", "'mute'") + "run.finish()"
    run_python(code, world.env(RUNSTREAM_QUIET="1", RUNSTREAM_CAPTURE="none"), tmp_path)
    assert console(world, "mute") == []
    assert ask(world.query_url, "GetRun", name="local/rich/mute")["metadata"] == {}


def state(world: World, run: str) -> str:
    try:
        answer = ask(world.query_url, "GetRun", name=f"local/rich/{run}")
    except NotFound:
        return ""
    return str(answer["run"].get("state", ""))


def test_alerts_stand_on_the_runs_page(world: World, tmp_path: Path) -> None:
    code = """
import runstream as wandb
run = wandb.init(project="rich", id="alerts")
run.alert("loss is NaN", "at step 7", level=wandb.AlertLevel.ERROR, wait_duration=300)
run.alert("loss is NaN", "at step 8", level="ERROR", wait_duration=300)
wandb.alert(title="done", text="all of it")
try:
    run.alert("x", level="LOUD")
except ValueError as error:
    assert "level: must be INFO, WARN or ERROR" in str(error)
else:
    raise AssertionError
run.finish()
"""
    run_python(code, world.env(), tmp_path)
    found = ask(world.query_url, "ListAlerts", runs=["local/rich/alerts"])["alerts"]
    said = sorted((each["title"], each["text"], each["level"]) for each in found)
    assert said == [("done", "all of it", "info"), ("loss is NaN", "at step 7", "error")]
