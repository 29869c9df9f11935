"""A run that goes on, against a real server: step, config, and what resume insists on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.asking import ask, points
from support.processes import run_python
from support.worlds import World

BEGIN = """
import json, runstream
def begin(**arguments):
    return runstream.init(**({"project": "again", "id": "one", "settings": {"quiet": True}} | arguments))
"""


def test_a_resumed_run_goes_on_after_its_last_step_with_its_config(world: World, tmp_path: Path) -> None:
    first = """
config = {"lr": 0.1, "opt": {"name": "sgd"}, "a.b": 1, "a": {"b": 2}}
run = begin(resume="allow", name="named", tags=["a"], config=config)
assert not run.resumed
for step in range(5): run.log({"loss": step})
run.finish()
"""
    run_python(BEGIN + first, world.env(), tmp_path)
    second = """
run = begin(resume="must", attempt=ATTEMPT, config={"lr": 0.2, "opt": {"momentum": 0.9}})
print(json.dumps([run.resumed, run.step, run.starting_step, run.name, run.tags, run.config]))
run.log({"loss": 50})
run.tags += ("b",)
run.finish()
""".replace("ATTEMPT", str(1 << 31))
    told = json.loads(run_python(BEGIN + second, world.env(), tmp_path))
    config = {"lr": 0.2, "opt": {"momentum": 0.9, "name": "sgd"}, "a.b": 1, "a": {"b": 2}}
    assert told == [True, 5, 5, "named", ["a"], config]
    found = points(world.query_url, "local/again/one", ["loss"])["loss", 0]
    assert found == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 50}
    run = ask(world.query_url, "GetRun", name="local/again/one")["run"]
    assert (run["config"], run["displayName"], run["tags"]) == (config, "named", ["a", "b"])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (
            'id="nowhere", resume="must"',
            "NotFound: run 'nowhere' of project 'again' does not exist and resume is 'must'",
        ),
        ('fork_from="nowhere?_step=3", id=None', "NotFound: run 'nowhere'"),
    ],
)
def test_what_resume_insists_on_is_an_error_of_init(world: World, tmp_path: Path, arguments: str, word: str) -> None:
    code = f"""
try:
    begin({arguments})
except runstream.errors.RunstreamError as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""
    assert word in run_python("import runstream.errors\n" + BEGIN + code, world.env(), tmp_path)


def test_never_means_never(world: World, tmp_path: Path) -> None:
    once = 'begin(id="once", resume="never").finish()'
    run_python(BEGIN + once, world.env(), tmp_path)
    code = f"import runstream.errors\n{BEGIN}\ntry: {once}\nexcept runstream.errors.Conflict as error: print(error)"
    assert "exists and resume is 'never'" in run_python(code, world.env(), tmp_path)
