"""What the SDK's surface says, as the server shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.asking import ask, points
from support.processes import run_python, wait_until
from support.worlds import World

from runstream.errors import NotFound


def test_definitions_make_the_summary_and_step_metrics_reach_every_row(world: World, tmp_path: Path) -> None:
    code = """
import json, runstream
with runstream.init(project="surface", settings={"quiet": True}) as run:
    run.define_metric("loss", summary="min,mean,last")
    run.define_metric("acc", summary="best", goal="maximize")
    run.define_metric("noise/*", summary="none")
    run.define_metric("val/*", step_metric="epoch")
    for step in range(4):
        run.log({"loss": [3, 1, 4, 2][step], "acc": [1, 9, 5, 7][step], "noise/x": step})
        run.log({"epoch": step})
        run.log({"val/loss": step * 10})
    run.log({"gone": 1})
    run.summary.update({"own": {"a": {"b": 1}}, "text": "x"})
    run.summary.own.a.b = 2
    del run.summary["gone"]
print(json.dumps([run.id, run.receipt.__dict__]))
"""
    run_id, receipt = json.loads(run_python(code, world.env(), tmp_path))
    assert receipt["complete"]
    assert receipt["refused"] == 0
    summary = ask(world.query_url, "GetRun", name=f"local/surface/{run_id}")["run"]["summary"]
    assert summary == {
        "loss": {"min": 1, "mean": 2.5, "last": 2},
        "acc": {"best": 9},
        "epoch": 3,
        "val/loss": 30,
        "own": {"a": {"b": 2}},
        "text": "x",
    }
    found = points(world.query_url, f"local/surface/{run_id}", ["val/loss", "epoch"])
    assert found["epoch", 0] == {3 * step + moment: float(step) for step in range(4) for moment in (1, 2)}


def test_rows_in_bulk_are_rows(world: World, tmp_path: Path) -> None:
    code = """
import json, numpy as np, runstream
with runstream.init(project="surface", settings={"quiet": True}) as run:
    steps = np.arange(5000)
    run.log_rows(steps, {"a": steps * 0.5, "b": np.sin(steps)})
    run.log({"a": -1})
print(json.dumps([run.id, run.receipt.__dict__]))
"""
    run_id, receipt = json.loads(run_python(code, world.env(), tmp_path))
    assert (receipt["sent"], receipt["stored"], receipt["complete"]) == (10_001, 10_001, True)
    found = points(world.query_url, f"local/surface/{run_id}", ["a"])["a", 0]
    assert found == {step: step * 0.5 for step in range(5000)} | {5000: -1.0}


def test_a_run_that_fails_or_is_told_to_go_is_shown_as_failed(world: World, tmp_path: Path) -> None:
    begin = 'import os, runstream, signal\nrun = runstream.init(project="surface", id={!r})\nrun.log({{"a": 1}})\n'
    ends = {
        "raises": "raise ValueError('no')",
        "terminated": "run.mark_preempting()\nos.kill(os.getpid(), signal.SIGTERM)",
        "exits": "import sys; sys.exit(3)",
    }
    for name, end in ends.items():
        done = subprocess.run(
            [sys.executable, "-c", begin.format(name) + end],
            env=world.env(),
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode != 0

        def is_failed(name: str = name) -> bool:
            try:
                answer = ask(world.query_url, "GetRun", name=f"local/surface/{name}")
            except NotFound:
                return False  # nothing of it has been sent yet
            return bool(answer["run"]["state"] == "RUN_STATE_FAILED" and answer.get("writers", [{}])[0].get("complete"))

        wait_until(is_failed, what=name)
