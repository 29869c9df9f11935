"""A config stays what it was unless somebody means to change it; what a sweep has set stays in any case."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pytest

from runstream._config import Config
from runstream._outbox import Outbox
from runstream._summary import Summary
from runstream.errors import ConfigError


class Kept:
    """A config with what it told and said."""

    def __init__(self, **options: bool) -> None:
        self.told: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.config = Config(lambda changed: self.told.append(changed.as_dict()), self.said.append, **options)


def test_another_value_needs_to_be_meant() -> None:
    kept = Kept()
    config = kept.config
    config["lr"] = 0.1
    config.lr = 0.1
    config.update({"lr": 0.1, "new": 1})
    for change in (
        lambda: config.update({"lr": 0.2, "other": 2}),
        lambda: config.update(argparse.Namespace(lr=0.2)),
        lambda: config.__setitem__("lr", 0.2),
        lambda: setattr(config, "lr", 0.2),
    ):
        with pytest.raises(ConfigError, match=r"config\['lr'\] is 0.1 and would become 0.2; .*allow_val_change=True"):
            change()
    assert config == {"lr": 0.1, "new": 1}
    config.update({"lr": 0.2}, allow_val_change=True)
    assert config.lr == 0.2
    with pytest.raises(ValueError, match="lr"):
        config.update(lr=0.3)


def test_init_and_notebooks_may_allow_changes() -> None:
    config = Kept(allows_change=True).config
    config["lr"] = 0.1
    config["lr"] = 0.2
    with pytest.raises(ConfigError):
        config.update({"lr": 0.3}, allow_val_change=False)
    assert config.lr == 0.2


def test_sameness_is_that_of_what_is_kept() -> None:
    config = Kept().config
    config.update({"a": np.array([1, 2]), "b": float("nan"), "c": (1, 2), "d": {"x": np.float32(0.5)}})
    config.update({"a": [1, 2], "b": float("nan"), "c": [1, 2], "d": {"x": 0.5}})
    with pytest.raises(ConfigError):
        config.update({"a": np.array([1, 3])})


def test_inside_a_key_values_may_change() -> None:
    kept = Kept()
    kept.config["opt"] = {"lr": 0.1}
    kept.config.opt.lr = 0.2
    assert kept.told[-1] == {"opt": {"lr": 0.2}}


def test_locked_values_stay_and_a_word_says_so() -> None:
    kept = Kept()
    config = kept.config
    config.update({"lr": 0.1, "opt": {"name": "sgd", "momentum": 0.9}})
    config.lock({"lr": 0.5, "opt": {"name": "adam"}}, by="sweep")
    assert config == {"lr": 0.5, "opt": {"name": "adam", "momentum": 0.9}}
    config["lr"] = 1.0
    config.update({"lr": 2.0, "free": 1}, allow_val_change=True)
    config.opt.name = "sgd"
    del config["lr"]
    config.opt.clear()
    assert config == {"lr": 0.5, "opt": {"name": "adam", "momentum": 0.9}, "free": 1}
    assert len(kept.said) == 6
    assert set(kept.said) == {
        "config['lr'] was set by the sweep; the change is ignored",
        "config['opt'] was set by the sweep; the change is ignored",
    }
    config.lock({"lr": 0.6}, by="sweep")
    assert config.lr == 0.6


def test_what_a_run_begins_with() -> None:
    kept = Kept()
    given, defaults = {"lr": 0.1, "opt": {"a": 1}}, {"lr": 9, "size": 3}
    kept.config._begin(given, defaults, {"lr": 8, "opt": {"a": 7, "b": 2}, "old": {"x": 1}})
    assert kept.config == {"lr": 0.1, "size": 3, "opt": {"a": 1, "b": 2}, "old": {"x": 1}}
    assert kept.told == []
    kept.config.old.x = 2
    assert kept.told[-1]["old"] == {"x": 2}


def test_the_ways_to_read_it() -> None:
    config = Kept().config
    config.update({"--batch-size": 8, 1: "one"}, x=None)
    config.setdefaults({"x": 5, "y": 6})
    assert config.as_dict() == dict(config) == {"batch-size": 8, "1": "one", "x": None, "y": 6}
    assert (config.get("y"), config.get("z", 0), "x" in config, len(config)) == (6, 0, True, 4)
    assert list(config.keys()) == ["batch-size", "1", "x", "y"]
    assert list(config.items())[-1] == ("y", 6)


def test_a_summary_is_what_was_set_over_what_was_logged() -> None:
    hidden: list[str] = []
    told: list[dict[str, Any]] = []
    latest = {"loss": 0.5, "acc": 0.9}
    summary = Summary(lambda changed: told.append(changed._own()), lambda: latest, hidden.append)
    summary["best"] = 1
    summary.acc = 0.95
    summary.update({"nested": {"a": {"b": 2}}})
    summary.nested.a.b = 3
    assert dict(summary) == {"loss": 0.5, "acc": 0.95, "best": 1, "nested": {"a": {"b": 3}}} == summary
    assert (summary["loss"], summary.loss, summary.get("nope"), "loss" in summary, len(summary)) == (
        0.5,
        0.5,
        None,
        True,
        4,
    )
    assert set(summary.keys()) == set(summary) == {"loss", "acc", "best", "nested"}
    latest["loss"] = 0.4
    assert summary.loss == 0.4
    del summary["best"]
    assert hidden == []
    del summary["acc"]
    del summary["loss"]
    assert hidden == ["acc", "loss"]
    assert "loss" not in summary
    with pytest.raises(KeyError):
        del summary["loss"]
    with pytest.raises(AttributeError):
        _ = summary.loss
    assert told[-1] == {"nested": {"a": {"b": 3}}}


def test_a_document_that_changes_all_the_time_is_written_now_and_then_and_last() -> None:
    clock = [0.0]
    written: list[Any] = []

    def write(record: Any) -> None:
        clock[0] += 0.01
        written.append(record["document"])

    outbox = Outbox(write, pytest.fail, now=lambda: clock[0])
    for number in range(1000):
        outbox.put("KIND_SUMMARY", lambda number=number: {"n": number})  # type: ignore[misc]
        clock[0] += 0.001
    assert 2 <= len(written) < 10
    assert written[0] == {"kind": "KIND_SUMMARY", "json": '{"n": 0}'}
    outbox.flush()
    outbox.flush()
    assert written[-1]["json"] == '{"n": 999}'
    assert len(written) < 11


def test_an_odd_value_is_told_of_once() -> None:
    said: list[str] = []
    outbox = Outbox(lambda record: None, said.append)
    for _ in range(3):
        outbox.put("KIND_CONFIG", lambda: {"a": {"b": object()}})
        outbox.flush()
    assert said == ["config['a.b'] is a object, which JSON cannot hold: its text is kept"]
