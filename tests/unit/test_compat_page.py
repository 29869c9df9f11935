"""docs/wandb-compat.md says what is so: tests it names exist, names it promises are there, others are not."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import runstream
from runstream._settings_forms import translated

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    (section, *(cell.strip() for cell in line.strip("|").split("|")))
    for section, text in re.findall(
        r"^## (.+?)\n(.*?)(?=^## |\Z)", (ROOT / "docs/wandb-compat.md").read_text(), re.M | re.S
    )
    for line in text.splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| name", "| argument", "| what"))
]
STATES = ("works", "differs", "not yet", "not planned")


def names(section: str, *states: str) -> list[str]:
    """Names in code marks, in the first column of a section's rows."""
    return [
        name
        for where, first, state, _ in ROWS
        if where == section and state in states
        for name in re.findall(r"`([\w.]+)`", first)
    ]


def test_every_row_has_a_state_and_what_works_has_a_test() -> None:
    assert len(ROWS) > 60
    for section, first, state, how in ROWS:
        assert state in STATES, (section, first)
        assert state != "works" or "::test_" in how, (section, first)


def test_the_tests_exist() -> None:
    for path, test in re.findall(r"`(tests/[\w/.]+)::(test_\w+)`", (ROOT / "docs/wandb-compat.md").read_text()):
        assert f"def {test}(" in (ROOT / path).read_text(), f"{path}::{test}"


def test_arguments_of_init() -> None:
    assert set(names("init", *STATES)) == set(inspect.signature(runstream.init).parameters)


@pytest.mark.parametrize("state", STATES)
def test_names_of_the_run_and_the_module(state: str) -> None:
    attributes = {*dir(runstream.Run), "id", "receipt", "resumed", "starting_step", "start_time"}
    for name in names("Run", state):
        assert (name.removeprefix("Run.") in attributes) == (state in ("works", "differs")), name
    for name in names("Module", state):
        assert (name in runstream.__all__) == (state in ("works", "differs")), name


def test_every_public_name_is_on_the_page() -> None:
    told = {*names("Module", *STATES), *(name.removeprefix("Run.") for name in names("Run", *STATES))}
    ours = {"Metric", "Receipt", "install_as_wandb"}
    assert set(runstream.__all__) - ours <= told
    of_run = {name for name in dir(runstream.Run) if not name.startswith("_")}
    internal = {"after_fork", "end", "end_in_signal", "has_ended", "latest", "settle", "rank", "world_size", "attempt"}
    assert of_run - internal <= told


def test_settings_by_wandbs_names() -> None:
    given = dict.fromkeys(names("Settings", "works"), "x")
    assert len(translated(given)) == len(given) - 1  # quiet and silent are one
