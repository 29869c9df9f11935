"""define_metric: which definition a key has, what is kept of it, which rows get a step."""

from __future__ import annotations

from typing import Any

import pytest

from runstream._metrics import Definitions, StepSync, parse
from runstream.errors import InvalidField


def definitions(*wanted: tuple[Any, ...]) -> Definitions:
    made = Definitions()
    for arguments in wanted:
        made.define(parse(*arguments), overwrite=False)
    return made


def test_a_name_wins_over_globs_and_a_longer_glob_over_a_shorter() -> None:
    made = definitions(("*", "a"), ("train/*", "b"), ("train/loss", "c"), ("*/[x]?", "d"))
    found = {key: made.of(key).step_metric for key in ("val/x", "train/acc", "train/loss", "val/[x]?")}  # type: ignore[union-attr]
    assert found == {"val/x": "a", "train/acc": "b", "train/loss": "c", "val/[x]?": "d"}
    assert definitions(("loss",)).of("loss/x") is None


def test_what_is_left_open_stays_unless_it_overwrites() -> None:
    made = Definitions()
    made.define(parse("loss", "epoch", summary="min,max"), overwrite=False)
    both = made.define(parse("loss", hidden=True), overwrite=False)
    assert (both.step_metric, both.step_sync, both.hidden, both.summary) == ("epoch", True, True, ("min", "max"))
    alone = made.define(parse("loss", goal="max", summary="best"), overwrite=True)
    assert (alone.step_metric, alone.hidden, alone.summary, alone.goal) == (None, None, ("best",), "maximize")
    assert made.as_dict() == {"loss": {"summary": ["best"], "goal": "maximize"}}


def test_the_document() -> None:
    made = definitions(("loss", "epoch", False, True, "Min, mean,last"), ("*",))
    assert made.as_dict() == {
        "loss": {"stepMetric": "epoch", "stepSync": False, "summary": ["min", "mean", "last"], "hidden": True},
        "*": {},
    }


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": 3}, "name"),
        ({"name": "a", "step_metric": ""}, "step_metric"),
        ({"name": "a", "step_metric": "b*"}, "step_metric"),
        ({"name": "a", "step_metric": 3}, "step_metric"),
        ({"name": "a", "step_sync": 1}, "step_sync"),
        ({"name": "a", "hidden": "yes"}, "hidden"),
        ({"name": "a", "summary": "median"}, "summary"),
        ({"name": "a", "summary": 3}, "summary"),
        ({"name": "a", "goal": "up"}, "goal"),
    ],
)
def test_what_cannot_be_is_named(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse(**arguments)
    assert caught.value.field == field


def test_a_metric_may_be_given_as_step() -> None:
    assert parse("loss", parse("epoch")).step_metric == "epoch"


def synced(made: Definitions, *rows: Any, latest: dict[str, float] | None = None) -> list[Any]:
    found: list[Any] = []
    sync = StepSync(made, lambda data, step, time_ms: found.append(data), latest or {})
    for row in rows:
        sync.append_row(row, 0, 0)
    return found


def test_a_row_without_its_step_metric_gets_the_last_value() -> None:
    made = definitions(("epoch",), ("*", "epoch"), ("free",), ("val/*", "round"), ("off/*", "epoch", False))
    assert synced(
        made,
        {"loss": 1},
        {"epoch": 1},
        {"loss": 2},
        {"val/x": 3},
        {"round": 7, "epoch": 2},
        {"val/x": 4, "loss": 5},
        {"free": 6},
        {"off/x": 7},
        {"loss": 8, "epoch": 3},
    ) == [
        {"loss": 1},
        {"epoch": 1},
        {"loss": 2, "epoch": 1},
        {"val/x": 3},
        {"round": 7, "epoch": 2},
        {"val/x": 4, "loss": 5, "epoch": 2, "round": 7},
        {"free": 6},
        {"off/x": 7},
        {"loss": 8, "epoch": 3},
    ]


def test_what_was_logged_before_the_definition_counts() -> None:
    assert synced(definitions(("*", "epoch")), {"loss": 1}, latest={"epoch": 4.0}) == [{"loss": 1, "epoch": 4.0}]


def test_nested_rows_and_nonsense_pass() -> None:
    made = definitions(("*", "train.step"))
    assert synced(made, {"train": {"step": 3}}, {"a": {"b": 1}}, 5, {}, {1: 2}) == [
        {"train": {"step": 3}},
        {"a": {"b": 1}, "train.step": 3},
        5,
        {},
        {1: 2},
    ]
