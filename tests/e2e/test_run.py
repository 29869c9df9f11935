"""One metric's whole way, in every world."""

from __future__ import annotations

import json
import math
from pathlib import Path

from support.asking import ask, points
from support.processes import run_cli, run_python
from support.worlds import World

# The W&B quick start, as people have it in their scripts; only the import differs.
QUICK_START = """
import runstream as wandb, time, random

with wandb.init(project="proteinx-experiments", entity="your-team", config={
    "lr": 1e-3, "batch_size": 64, "model": "resnet18"
}) as run:
    for step in range(100):
        loss = 1.0 / (step + 1) + random.random() * 0.01
        acc = step / 100.0 + random.random() * 0.01
        run.log({"train/loss": loss, "train/acc": acc}, step=step)
        time.sleep(0.05)
"""
TELL = "\nimport json; print(json.dumps([run.id, run.receipt.__dict__]))"


def test_I3_receipt_equals_what_was_logged_and_I5_a_query_finds_it(world: World, tmp_path: Path) -> None:
    code = """
import json, runstream
with runstream.init(project="account", config={"lr": 0.1}, tags=["a", "b"], notes="n", group="g") as run:
    for step in range(2000):
        run.log({"loss": 1 / (step + 1), "acc": step})
    run.log({"odd": float("nan")}, step=5)
    run.log({"odd": float("inf")}, step=6)
    run.summary["best"] = 7
print(json.dumps([run.id, run.receipt.__dict__]))
"""
    run_id, receipt = json.loads(run_python(code, world.env(), tmp_path))
    assert (receipt["sent"], receipt["stored"], receipt["refused"], receipt["gaps"]) == (4002, 4002, 0, 0)
    name = f"local/account/{run_id}"
    found = points(world.query_url, name, ["loss", "acc", "odd"])
    assert found["acc", 0] == {step: float(step) for step in range(2000)}
    assert found["loss", 0] == {step: 1 / (step + 1) for step in range(2000)}
    assert math.isnan(found["odd", 0][5])
    assert found["odd", 0][6] == math.inf
    run = ask(world.query_url, "GetRun", name=name)["run"]
    assert run["state"] == "RUN_STATE_FINISHED"
    assert run["config"] == {"lr": 0.1}
    assert (run["tags"], run["notes"], run["group"]) == (["a", "b"], "n", "g")
    assert run["summary"] == {"loss": 1 / 2000, "acc": 1999, "odd": "Infinity", "best": 7}


def test_quick_start_runs_verbatim_online(world: World, tmp_path: Path) -> None:
    run_id, receipt = json.loads(run_python(QUICK_START + TELL, world.env(), tmp_path))
    assert receipt["complete"]
    assert receipt["sent"] == receipt["stored"] == 200
    found = points(world.query_url, f"your-team/proteinx-experiments/{run_id}", ["train/loss", "train/acc"])
    assert {key: len(steps) for key, steps in found.items()} == {("train/loss", 0): 100, ("train/acc", 0): 100}


def test_quick_start_runs_offline_then_sync_stores_it_once(world: World, tmp_path: Path) -> None:
    env = world.env(WANDB_MODE="offline")
    run_id, receipt = json.loads(run_python(QUICK_START + TELL, env, tmp_path))
    assert (receipt["sent"], receipt["stored"], receipt["complete"]) == (200, 0, False)
    done = run_cli("sync", "--json", env=world.env(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    synced = json.loads(done.stdout)
    assert (synced["sent"], synced["stored"], synced["gaps"]) == (200, 200, 0)
    found = points(world.query_url, f"your-team/proteinx-experiments/{run_id}", ["train/loss", "train/acc"])
    assert sum(len(steps) for steps in found.values()) == 200
    again = run_cli("sync", "--json", env=world.env(), cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, "")


def test_I8_ranks_of_one_run_stay_apart(world: World, tmp_path: Path) -> None:
    code = """
import json, os, runstream
with runstream.init(project="ranks", id="all-ranks") as run:
    for step in range(50):
        run.log({"loss": run.rank * 1000 + step}, step=step)
print(json.dumps(run.receipt.__dict__))
"""
    for rank in range(3):
        receipt = json.loads(run_python(code, world.env(RANK=str(rank), WORLD_SIZE="3"), tmp_path))
        assert receipt["sent"] == receipt["stored"] == 50
    found = points(world.query_url, "local/ranks/all-ranks", ["loss"])
    assert {rank: steps[49] for (_, rank), steps in found.items()} == {0: 49, 1: 1049, 2: 2049}
    run = ask(world.query_url, "GetRun", name="local/ranks/all-ranks")
    assert (run["run"]["worldSize"], len(run["writers"])) == (3, 3)


def test_bad_input_is_refused_by_name_and_costs_nothing_else(world: World, tmp_path: Path) -> None:
    code = """
import json, runstream
with runstream.init(project="bad", config={"fine": 1, "odd": object(), "nan": float("nan")}) as run:
    run.log({"good": 1, "bytes": b"x", "complex": 1j, "k" * 10_000: 1, "a\\nb": 2, "huge": 10**400})
    run.log({"good": 2, "nested": {"deep": 3}})
    run.log({"good": 3}, step=2**70)
print(json.dumps([run.id, run.receipt.__dict__]))
"""
    run_id, receipt = json.loads(run_python(code, world.env(), tmp_path))
    assert (receipt["sent"], receipt["stored"], receipt["refused"]) == (9, 3, 6)
    reasons = sorted(entry["reason"] for entry in receipt["refusals"])
    assert reasons == ["KEY_CHARACTERS", "KEY_LENGTH", "NOT_A_NUMBER", "NOT_A_NUMBER", "OUT_OF_RANGE", "OUT_OF_RANGE"]
    answer = ask(world.query_url, "GetRun", name=f"local/bad/{run_id}")
    assert sorted(refusal["reason"] for refusal in answer["refusals"]) == reasons
    assert answer["run"]["config"]["fine"] == 1
    assert answer["run"]["config"]["nan"] == "NaN"
    found = points(world.query_url, f"local/bad/{run_id}", ["good", "nested.deep"])
    assert found == {("good", 0): {0: 1.0, 1: 2.0}, ("nested.deep", 0): {1: 3.0}}


def test_I6_a_resume_hides_what_the_earlier_attempt_wrote_from_its_first_step_on(world: World, tmp_path: Path) -> None:
    code = """
import runstream
with runstream.init(project="resume", id="again", attempt=ATTEMPT) as run:
    for step in range(FIRST, LAST):
        run.log({"loss": ATTEMPT * 100 + step}, step=step)
"""
    for attempt, first, last in ((1, 0, 30), (2, 20, 25)):
        text = code.replace("ATTEMPT", str(attempt)).replace("FIRST", str(first)).replace("LAST", str(last))
        run_python(text, world.env(), tmp_path)
    found = points(world.query_url, "local/resume/again", ["loss"])["loss", 0]
    assert found == {step: (100 if step < 20 else 200) + step for step in range(25)}


def test_artifacts_round_trip_and_an_unchanged_one_sends_nothing(world: World, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(bytes(range(256)) * 4096)
    (tmp_path / "model" / "empty").write_bytes(b"")
    env = world.env() | {"RUNSTREAM_BASE_URL": world.artifact_url}
    put = ["artifact", "--json", "put", "model", "--name", "things/best", "--type", "model", "--alias", "prod"]
    first = run_cli(*put, env=env, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    made = json.loads(first.stdout)
    assert (made["name"], made["created"], made["uploaded_bytes"]) == ("local/things/best:v0", True, 1 << 20)
    again = json.loads(run_cli(*put, env=env, cwd=tmp_path).stdout)
    assert (again["name"], again["created"], again["uploaded_bytes"]) == ("local/things/best:v0", False, 0)
    got = run_cli("artifact", "get", "things/best:prod", "--to", "got", env=env, cwd=tmp_path)
    assert got.returncode == 0, got.stderr
    for name in ("weights.bin", "empty"):
        assert (tmp_path / "got" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_I4_training_goes_on_without_a_server_and_the_message_says_what_to_do(tmp_path: Path) -> None:
    from support.processes import environ

    code = """
import json, runstream
with runstream.init(project="alone", settings={"unreachable_timeout_s": 0.5, "give_up_after_s": 0}) as run:
    run.log({"loss": 1})
print(json.dumps(run.receipt.__dict__))
"""
    receipt = json.loads(run_python(code, environ(RUNSTREAM_BASE_URL="http://127.0.0.1:9"), tmp_path))
    assert (receipt["sent"], receipt["stored"], receipt["complete"]) == (1, 0, False)
    done = run_cli("sync", "--server", "http://127.0.0.1:9", env=environ(), cwd=tmp_path)
    assert done.returncode == 1
    assert "no runstream server answers at http://127.0.0.1:9" in done.stderr
    assert "runstream server" in done.stderr
