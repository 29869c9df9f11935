"""``runstream import`` against a server: the counts agree, and a second import replaces the same points."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.asking import ask, points
from support.importing import import_runs
from support.processes import environ, run_cli
from support.worlds import World, laptop
from tensorboardX import SummaryWriter

GOLDEN = Path(__file__).parents[1] / "golden" / "wandb_offline.wandb"
NEPTUNE = pa.schema(
    {
        **dict.fromkeys(("project_id", "run_id", "attribute_path", "attribute_type"), pa.string()),
        "step": pa.decimal128(18, 6),
        **dict.fromkeys(("timestamp", "datetime_value"), pa.timestamp("ms", "UTC")),
        "int_value": pa.int64(),
        "float_value": pa.float64(),
        "string_value": pa.string(),
        "bool_value": pa.bool_(),
        "string_set_value": pa.list_(pa.string()),
    }
)
COUNTS = ("read", "distinct", "sent", "stored", "refused", "gaps", "found", "agrees")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with laptop(tmp_path_factory.mktemp("server")) as world:
        yield world


def shown(world: World, run: str, folder: Path) -> dict[str, object]:
    done = run_cli("run", "show", run, "--json", env=environ(RUNSTREAM_BASE_URL=world.query_url), cwd=folder)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_second_import_replaces_the_same_points(server: World, tmp_path: Path) -> None:
    path = tmp_path / "exp.csv"
    path.write_text("step,loss,acc\n" + "".join(f"{step},{step / 8},1\n" for step in range(3000)) + "7,99,1\n")
    for _ in range(2):
        (run,) = import_runs("csv", path, server.query_url, "--project", "twice")
        assert [run[name] for name in COUNTS] == [6002, 6000, 6002, 6002, 0, 0, 6000, True]
        on_server = shown(server, run["run"], tmp_path)
        assert [on_server[name] for name in ("sent", "stored", "points", "complete")] == [6002, 6002, 6000, True]
        assert (on_server["state"], on_server["attempts"], on_server["name"]) == ("finished", [0], "exp")
    assert points(server.query_url, f"-/{run['run']}", ["loss"])[("loss", 0)][7] == 99.0


def test_a_source_that_has_changed_replaces_what_it_said_before(server: World, tmp_path: Path) -> None:
    path = tmp_path / "exp.csv"
    path.write_text("step,loss\n1,1\n2,2\n3,3\n4,4\n")
    import_runs("csv", path, server.query_url, "--project", "changed")
    path.write_text("step,loss\n4,40\n5,5\n1,1\n2,2\n3,3\n")
    (run,) = import_runs("csv", path, server.query_url, "--project", "changed")
    assert points(server.query_url, f"-/{run['run']}", ["loss"]) == {("loss", 0): {1: 1, 2: 2, 3: 3, 4: 40, 5: 5}}
    assert run["agrees"]
    path.write_text("step,loss\n4,40\n")
    (run,) = import_runs("csv", path, server.query_url, "--project", "changed", code=1)
    assert [run[name] for name in COUNTS] == [1, 1, 1, 1, 0, 0, 5, False]


def test_what_the_server_will_not_take_is_said_and_fails(server: World, tmp_path: Path) -> None:
    path = tmp_path / "exp.csv"
    path.write_text(f"step,loss,{'k' * 600}\n1,1,2\n")
    (run,) = import_runs("csv", path, server.query_url, code=1)
    assert [run[name] for name in COUNTS] == [2, 2, 2, 1, 1, 0, 1, False]
    assert "1 to 512 bytes" in run["trouble"]
    path.write_text("time,loss\n-5,1\n")
    (run,) = import_runs("csv", path, server.query_url, code=1)
    assert "times must be 0 to" in run["trouble"]


def test_a_dry_run_counts_and_sends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "exp.csv"
    path.write_text("step,loss,note\n1,1,a\n1,2,b\n")
    done = run_cli("import", "csv", str(path), "--dry-run", env=environ(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 keys, 2 read\n  1 values say a step of their key again" in done.stdout
    assert "skipped 2: text" in done.stdout
    assert [each.name for each in tmp_path.iterdir()] == ["exp.csv"]


@pytest.mark.parametrize("source", ["tensorboard", "wandb", "mlflow", "neptune"])
def test_every_source_is_safe_to_import_twice(server: World, tmp_path: Path, source: str) -> None:
    path = made(source, tmp_path / "source")
    first, second = (import_runs(source, path, server.query_url) for _ in range(2))
    assert first == second
    (run,) = second
    assert run["agrees"]
    assert run["found"] == run["distinct"] > 0
    on_server = shown(server, run["run"], tmp_path)
    assert [on_server[name] for name in ("sent", "stored", "points", "complete")] == [
        run["sent"], run["stored"], run["distinct"], True
    ]  # fmt: skip
    assert (on_server["name"], on_server["state"]) == (run["name"], "finished")
    config = ask(server.query_url, "GetRun", name=f"-/{run['run']}")["run"]["config"]
    assert config["lr"] in (0.1, 0.5)


def made(source: str, path: Path) -> Path:
    """A source with one run that has a config, and but for wandb's repeats a step."""
    path.mkdir()
    if source == "wandb":
        (path / "run-goldenid.wandb").write_bytes(GOLDEN.read_bytes())
    elif source == "tensorboard":
        with SummaryWriter(str(path), filename_suffix=".scalars") as writer:
            writer.add_hparams({"lr": 0.5}, {"acc": 1.0}, name=".")
            for step in (*range(50), 7):
                writer.add_scalar("loss", step / 4, step)
    elif source == "mlflow":
        (path / "a" / "metrics").mkdir(parents=True)
        (path / "a" / "params").mkdir()
        meta = "run_id: abc\nrun_name: first\nstart_time: 1700000000000\nstatus: 3\nlifecycle_stage: active\n"
        (path / "a" / "meta.yaml").write_text(meta)
        (path / "a" / "params" / "lr").write_text("0.5")
        (path / "a" / "metrics" / "loss").write_text("".join(f"1700000000000 {n} {n % 9}\n" for n in range(20)))
    else:
        steps = [*range(20), 7]
        rows = [{"attribute_path": "lr", "attribute_type": "float", "float_value": 0.5}]
        rows += [
            {"attribute_path": "a/b", "attribute_type": "float_series", "step": Decimal(step), "float_value": step / 4}
            for step in steps
        ]
        who = {"project_id": "team/digits", "run_id": "RUN-1"}
        pq.write_table(pa.Table.from_pylist([who | row for row in rows], NEPTUNE), path / "RUN-1_part_0.parquet")
    return path


def test_what_is_not_there(tmp_path: Path) -> None:
    done = run_cli("import", "csv", "nowhere", "--dry-run", env=environ(), cwd=tmp_path)
    assert (done.returncode, "PATH: nowhere does not exist" in done.stderr) == (1, True)
    done = run_cli("import", "csv", ".", "--dry-run", env=environ(), cwd=tmp_path)
    assert (done.returncode, "no csv runs in ." in done.stderr) == (1, True)
    (tmp_path / "x.csv").write_text("a\n1\n")
    done = run_cli("import", "csv", "x.csv", "--server", "http://127.0.0.1:9", env=environ(), cwd=tmp_path)
    assert (done.returncode, "no runstream server answers" in done.stderr) == (1, True)
