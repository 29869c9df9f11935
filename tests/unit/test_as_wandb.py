"""``import wandb`` after install_as_wandb(), as integrations do it. In processes of their own: it changes imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import environ


def run(code: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    env = environ(**({"RUNSTREAM_MODE": "offline", "RUNSTREAM_QUIET": "1"} | env))
    return subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


USE = """
import importlib.metadata, importlib.util
assert importlib.util.find_spec("wandb") is not None
assert importlib.util.find_spec("wandb.sdk.nothing") is None
assert importlib.metadata.version("wandb") == "0.31.0"
assert "wandb" in {dist.metadata["Name"] for dist in importlib.metadata.distributions()}
import wandb
from wandb.sdk.wandb_run import Run
from wandb.wandb_run import Run as OldRun
from wandb.sdk.lib import RunDisabled
from wandb.sdk.lib.config_util import ConfigError
from wandb.sdk import wandb_config, wandb_settings, wandb_summary, wandb_metric
from wandb.errors import CommError, Error, UsageError
from wandb.util import generate_id
import wandb.sdk.lib.runid
wandb.require("service")
assert wandb.__version__ == "0.31.0" and wandb.run is None
with wandb.init(project="p", config={"a": 1}) as run:
    assert wandb.run is run and isinstance(run, Run) and Run is OldRun
    wandb.config = {"b": 2}
    assert wandb.config == {"a": 1, "b": 2}
    try:
        wandb.config.a = 2
    except ConfigError as error:
        assert isinstance(error, Error)
    wandb.log({"x": 1})
    wandb.termwarn("a word", repeat=False)
    assert not hasattr(wandb, "Image") or callable(wandb.Image)
try:
    wandb.no_such_thing
except AttributeError as error:
    assert "runstream has no 'no_such_thing'" in str(error) and "docs/wandb-compat.md" in str(error)
else:
    raise SystemExit("no error")
assert len(generate_id()) == 8 and "init" in dir(wandb)
"""


@pytest.mark.parametrize(
    ("begin", "env"),
    [
        ("import runstream\nrunstream.install_as_wandb()\nrunstream.install_as_wandb()\n", {}),
        ("import runstream\n", {"RUNSTREAM_AS_WANDB": "1"}),
    ],
)
def test_wandb_is_runstream(tmp_path: Path, begin: str, env: dict[str, str]) -> None:
    done = run(begin + USE, tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert "a word" in done.stderr


def test_without_it_nothing_changes(tmp_path: Path) -> None:
    done = run("import runstream, sys; runstream.init(project='p'); print('wandb' in sys.modules)", tmp_path)
    assert done.stdout == "False\n"
    code = "import runstream, importlib.util; print(importlib.util.find_spec('wandb') is None)"
    assert run(code, tmp_path, RUNSTREAM_AS_WANDB="0").stdout == "True\n"


def test_wandb_that_was_imported_before_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "wandb.py").write_text("")
    done = run("import sys; sys.path.insert(0, '.'); import wandb, runstream; runstream.install_as_wandb()", tmp_path)
    assert "wandb was imported before runstream.install_as_wandb()" in done.stderr


def test_another_wandb_on_the_path_is_not_mixed_in(tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "__init__.py").write_text("raise SystemExit('the other one')")
    (tmp_path / "wandb" / "other.py").write_text("")
    code = """
import sys; sys.path.insert(0, '.')
import runstream; runstream.install_as_wandb()
import wandb
try:
    import wandb.other
except ModuleNotFoundError:
    print("not mixed")
"""
    assert run(code, tmp_path).stdout == "not mixed\n"
