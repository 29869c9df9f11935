"""What wandb code touches: arguments, attributes, module functions, and what bad input does. Offline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.programs import Spool, offline, read_spools, run_offline

import runstream
from runstream import _init
from runstream.errors import ConfigError, InvalidField, RunstreamError


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNSTREAM_MODE", "offline")
    monkeypatch.setenv("RUNSTREAM_QUIET", "1")
    yield
    runstream.teardown()


def the_spool() -> Spool:
    (spool,) = read_spools(Path())
    return spool


def test_every_argument_of_wandbs_init_is_taken(tmp_path: Path) -> None:
    run = runstream.init(
        entity="team",
        project="p",
        dir=tmp_path / "elsewhere",
        id="an-id",
        name="a name",
        notes="some notes",
        tags=["a", "b"],
        config={"lr": 0.1, "secret": 1},
        config_exclude_keys=["secret"],
        allow_val_change=True,
        group="g",
        job_type="train",
        mode="dryrun",
        force=False,
        reinit="default",
        resume="allow",
        save_code=False,
        tensorboard=False,
        sync_tensorboard=False,
        monitor_gym=False,
        anonymous="allow",
        settings={"init_timeout": 3, "x_disable_stats": True},
    )
    run.config["lr"] = 0.2
    run.finish()
    (spool,) = read_spools(tmp_path / "elsewhere")
    assert (spool.identity["entity"], spool.identity["project"], spool.identity["run"]) == ("team", "p", "an-id")
    assert spool.attributes() == {
        "displayName": "a name",
        "notes": "some notes",
        "tags": {"values": ["a", "b"]},
        "group": "g",
        "jobType": "train",
    }
    assert spool.document("KIND_CONFIG") == {"lr": 0.2}


def test_attributes() -> None:
    run = runstream.init(project="p", entity="e", id="i", tags=("a",), group="g", job_type="j")
    assert (run.id, run.name, run.project, run.entity, run.path) == ("i", "i", "p", "e", "e/p/i")
    assert (run.group, run.job_type, run.tags, run.notes) == ("g", "j", ("a",), "")
    assert run.url == run.get_url() == "http://127.0.0.1:8080/r/e/p/i"
    assert run.project_url == run.get_project_url() == "http://127.0.0.1:8080/p/e/p"
    assert (run.step, run.starting_step, run.resumed, run.offline, run.disabled) == (0, 0, False, True, False)
    assert (run.sweep_id, run.sweep_url, run.project_name()) == (None, None, "p")
    assert (run.rank, run.world_size) == (0, 1)
    assert run.start_time > 1_600_000_000
    assert Path(run.dir).is_dir()
    assert run.settings.run_id == "i"
    assert run.url in run.to_html()
    assert "<details>" in run.to_html(hidden=True)
    assert run.display() is False
    run.name = "new"
    run.notes = "words"
    run.tags += ("b", "a")
    assert run.tags == ("a", "b")
    for name, value in (("name", 3), ("notes", 3), ("tags", "text"), ("tags", [3])):
        with pytest.raises(InvalidField, match=name):
            setattr(run, name, value)
    run.log({"x": 1})
    status = run.status()
    assert (status.sent, status.stored, status.refused, status.pending, status.trouble) == (1, 0, 0, 1, "")
    run.finish()
    assert the_spool().attributes() | {"jobType": "j"} == {
        "displayName": "new",
        "notes": "words",
        "tags": {"values": ["a", "b"]},
        "group": "g",
        "jobType": "j",
    }


def test_steps() -> None:
    run = runstream.init(project="p")
    run.log({"a": 1})
    run.log({"a": 2}, commit=False)
    run.log({"b": 2})
    run.log({"a": 3}, step=7)
    run.log({"b": 3})
    run.log({"a": 4}, step=np.int64(20), commit=True)
    run.log({"a": 5})
    assert run.step == 22
    run.log_rows(range(100, 103), {"c": [1, 2, 3]})
    run.log({"a": 6})
    run.finish()
    assert [(step, *row.items()) for step, row in the_spool().rows] == [
        (0, ("a", 1.0)),
        (1, ("a", 2.0)),
        (1, ("b", 2.0)),
        (7, ("a", 3.0)),
        (7, ("b", 3.0)),
        (20, ("a", 4.0)),
        (21, ("a", 5.0)),
        (100, ("c", 1.0)),
        (101, ("c", 2.0)),
        (102, ("c", 3.0)),
        (103, ("a", 6.0)),
    ]


def test_module_functions_are_the_current_runs() -> None:
    assert runstream.run is None
    run = runstream.init(project="p", config={"a": 1})
    assert runstream.run is run
    assert runstream.config is run.config
    assert runstream.summary is run.summary
    runstream.log({"loss": 1}, step=3)
    runstream.define_metric("loss", summary="min")
    runstream.mark_preempting()
    runstream.summary["best"] = 1
    runstream.config = {"b": 2}
    runstream.config.c = 3
    assert runstream.config == {"a": 1, "b": 2, "c": 3}
    runstream.finish()
    runstream.finish()
    assert runstream.run is None
    with pytest.raises(RunstreamError, match=r"runstream\.init\(\)"):
        runstream.log({"a": 1})
    spool = the_spool()
    assert spool.document("KIND_METRICS") == {"loss": {"summary": ["min"]}}
    assert spool.document("KIND_SUMMARY") == {"best": 1}
    assert spool.document("KIND_CONFIG") == {"a": 1, "b": 2, "c": 3}
    assert spool.attributes()["preempting"] is True


def test_config_comes_from_a_file_over_the_defaults_file() -> None:
    Path("config-defaults.yaml").write_text("lr:\n  value: 1\nsize:\n  desc: x\n  value: 2\n")
    Path("mine.yaml").write_text("lr: 0.5\n")
    with runstream.init(project="p", config="mine.yaml") as run:
        assert run.config == {"lr": 0.5, "size": 2}
        with pytest.raises(ConfigError):
            run.config.size = 3
    Path("config-defaults.yaml").write_text("[")
    with runstream.init(project="p") as run:
        assert run.config == {}
    with pytest.raises(InvalidField, match=r"missing\.yaml"):
        runstream.init(project="p", config="missing.yaml")


def test_step_metrics_are_added_to_rows(tmp_path: Path) -> None:
    run = runstream.init(project="p")
    plain = run._append_row
    run.define_metric("acc", summary="max")
    assert run._append_row == plain, "rows go straight to the spool while no definition needs otherwise"
    run.log({"epoch": 1})
    run.define_metric("*", step_metric="epoch")
    run.log({"loss": 2})
    run.finish()
    assert [row for _, row in the_spool().rows] == [{"epoch": 1.0}, {"loss": 2.0, "epoch": 1.0}]


def test_deleting_an_automatic_value_leaves_it_out_of_the_summary() -> None:
    run = runstream.init(project="p")
    run.log({"loss": 1, "acc": 2})
    run.summary["acc"] = 3
    assert dict(run.summary) == {"loss": 1.0, "acc": 3}
    del run.summary["loss"]
    run.finish()
    assert dict(run.summary) == {"acc": 3}
    assert the_spool().document("KIND_METRICS") == {"loss": {"summary": ["none"]}}


BAD: list[tuple[str, str, dict[str, int]]] = [
    ("no mapping", "run.log(5)", {"NOT_A_NUMBER": 1}),
    ("none", "run.log(None)", {"NOT_A_NUMBER": 1}),
    ("objects", "run.log({'a': object(), 'b': {1, 2}, 'c': 1 + 2j})", {"NOT_A_NUMBER": 2}),
    ("bytes", "run.log({'a': 'x', 'b': b'x', 'c': None})", {"NOT_A_NUMBER": 1}),
    ("huge", "run.log({'a': 10**400})", {"OUT_OF_RANGE": 1}),
    ("number and string", "run.log({1: 2.0, '1': 3.0})", {"KEY_LENGTH": 1}),
    ("key", "run.log({'a' * 1000: 1, '': 2, 'a\\nb': 3})", {"KEY_LENGTH": 2, "KEY_CHARACTERS": 1}),
    ("step", "run.log({'a': 1}, step=2**70)", {"OUT_OF_RANGE": 1}),
    ("step text", "run.log({'a': 1}, step='7')", {"OUT_OF_RANGE": 1}),
    ("recursive", "d = {}; d['d'] = d; run.log(d)", {"TOO_LARGE": 1}),
]


@pytest.mark.parametrize(("code", "refused"), [each[1:] for each in BAD], ids=[each[0] for each in BAD])
def test_bad_rows_are_counted_and_strictly_raise(tmp_path: Path, code: str, refused: dict[str, int]) -> None:
    begin = "import runstream\nrun = runstream.init(project='p')\n"
    (spool,) = offline(f"{begin}{code}\nrun.log({{'good': 1}}, step=0)\nrun.log({{'good': 1}})", tmp_path)
    assert [row for _, row in spool.rows if row != {"1": 3.0}] == [{"good": 1.0}] * 2
    assert spool.refused == refused
    done = run_offline(begin + code, tmp_path, RUNSTREAM_STRICT="1")
    assert done.returncode == 1
    assert "InvalidField" in done.stderr


def test_odd_rows_that_are_fine(tmp_path: Path) -> None:
    code = """
import runstream, numpy as np, decimal, fractions, warnings
run = runstream.init(project="p", settings={"strict": True})
run.log({})
for kind in (np.float16, np.float32, np.float64, np.int8, np.uint64, np.bool_, int, float, bool, decimal.Decimal,
             fractions.Fraction):
    run.log({"a": kind(1)})
run.log({"a": np.array([1]), "b": np.array(1), "ключ/鍵": 1, "n": {"x": {"y": 1}}, "big": 2**80})
run.log({f"k{i}": i for i in range(250_000)})
"""
    (spool,) = offline(code, tmp_path)
    assert spool.refused == {}
    assert [row["a"] for _, row in spool.rows[:12]] == [1.0] * 12
    assert spool.rows[11][1] == {"a": 1, "b": 1, "ключ/鍵": 1, "n.x.y": 1, "big": 2.0**80}
    assert sum(len(row) for _, row in spool.rows[12:]) == 250_000


def test_odd_configs_do_not_raise() -> None:
    loop: dict[str, Any] = {"x": 1}
    loop["self"] = loop
    run = runstream.init(
        project="p",
        config={"loop": loop, "obj": object(), 1: "a", "deep": {"fn": len, "set": {1}, "nan": float("nan")}},
    )
    run.config.update({f"k{i}": i for i in range(20_000)})
    run.summary.update({"np": np.arange(3), "obj": object()})
    run.finish()
    kept = the_spool().document("KIND_CONFIG")
    assert kept["loop"] == {"x": 1, "self": "<contains itself>"}
    assert kept["deep"] == {"fn": "<built-in function len>", "set": [1], "nan": "NaN"}
    assert (kept["1"], kept["k19999"]) == ("a", 19_999)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"mode": "sometimes"}, "mode: must be one of online"),
        ({"resume": "perhaps"}, "resume: must be one of allow, must, never, auto"),
        ({"reinit": "perhaps"}, "reinit: must be one of default, return_previous"),
        ({"fork_from": "x"}, r"fork_from: must be RUN\?_step=N"),
        ({"fork_from": "x?_step=1", "resume": "allow"}, "only one of resume, fork_from and resume_from"),
        ({"fork_from": "x?_step=1", "id": "x"}, "fork_from: must be another run"),
        ({"config_include_keys": ["a"], "config_exclude_keys": ["b"], "config": {}}, "config_exclude_keys"),
        ({"settings": {"projekt": 1}}, "there is no setting 'projekt'; did you mean 'project'"),
        ({"settings": 5}, "settings: must be a mapping"),
        ({"project": "a/b"}, "project: contains '/'"),
        ({"rank": -1}, "rank: must be 0"),
    ],
)
def test_what_cannot_be_is_named(arguments: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidField, match=word):
        runstream.init(**arguments)
    assert runstream.run is None


def test_an_unknown_argument_is_named() -> None:
    with pytest.raises(TypeError, match="projekt"):
        runstream.init(projekt="p")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="config must be a mapping"):
        runstream.init(config=[1])


@pytest.mark.parametrize("name", ["save_code", "sync_tensorboard", "monitor_gym", "tensorboard"])
def test_what_is_not_there_yet_is_said(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    wanted: dict[str, Any] = {name: True}
    runstream.init(project="p", **wanted).finish()
    assert "is not there yet" in capfd.readouterr().err
    with pytest.raises(RunstreamError, match="is not there yet"):
        runstream.init(project="p", settings={"strict": True}, **wanted)


def test_disabled_runs_do_everything_and_keep_nothing(tmp_path: Path) -> None:
    with runstream.init(mode="disabled", config={"a": 1}) as run:
        run.log({"a": 1})
        run.log_rows([1], {"a": [1]})
        run.define_metric("*", step_metric="a")
        run.log({"b": 1})
        run.config["b"] = run.config.a + 1
        run.summary["c"] = 3
        run.tags += ("x",)
        run.mark_preempting()
        assert (run.disabled, run.status().sent, dict(run.summary), run.step) == (True, 0, {"c": 3}, 3)
    assert list(tmp_path.iterdir()) == []


def test_settings_by_wandbs_names(capfd: pytest.CaptureFixture[str]) -> None:
    settings = runstream.Settings(run_name="n", silent=True, start_method="thread", api_key="rs-secret")
    settings.run_tags = ["a"]
    assert (settings.name, settings.run_name, settings.quiet, settings.project) == ("n", "n", True, "uncategorized")
    assert "secret" not in repr(settings)
    assert "'start_method' has no effect here" in capfd.readouterr().err
    with runstream.init(project="p", settings=settings) as run:
        assert (run.name, run.tags, run.settings.quiet) == ("n", ("a",), True)
    with pytest.raises(AttributeError):
        _ = settings.nothing


def test_given_settings_leave_the_others_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "from-environment")
    with runstream.init(settings=runstream.Settings(quiet=True)) as run:
        assert run.project == "from-environment"


def test_setup_is_for_every_later_run() -> None:
    assert runstream.setup(runstream.Settings(project="common", run_group="g")).project == "common"
    with runstream.init() as run:
        assert (run.project, run.group) == ("common", "g")
    runstream.teardown()
    with runstream.init() as run:
        assert run.project == "uncategorized"


def test_a_run_opened_elsewhere_knows_what_it_was() -> None:
    run = runstream.init(project="p", config={"a": {"b": 1}}, id="i")
    run.log({"x": 1})
    said = json.loads(run._attach_id)
    assert (said["id"], said["step"], said["config"]) == ("i", 1, {"a": {"b": 1}})
    attached = _init.attach(run._attach_id)
    assert (attached.id, attached.step, attached.config, attached.attempt) == ("i", 1, {"a": {"b": 1}}, run.attempt)
