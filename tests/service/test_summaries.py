"""Summaries obey metric definitions, in lists and alone, through resumes and ranks; the user's word is above them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support.asking import ask
from support.writing import batch, document, history_row, open_message, publish, said

from runstream.service.host import Addresses
from runstream.v1 import ingest_pb2

P = "summaries"
ALL = ["min", "max", "mean", "first", "last", "best"]


def write(server: Addresses, run: str, *batches: ingest_pb2.PublishRequest, **fields: Any) -> None:
    publish(server.grpc, [open_message(run, project=P, **fields), *batches])


def alone(server: Addresses, run: str) -> dict[str, Any]:
    return ask(server.http_url, "GetRun", name=f"local/{P}/{run}")["run"].get("summary", {})  # type: ignore[no-any-return]


def listed(server: Addresses, run: str, **fields: Any) -> dict[str, Any]:
    runs = ask(server.http_url, "ListRuns", project=f"local/{P}", **fields)["runs"]
    (found,) = [each for each in runs if each["name"] == f"local/{P}/{run}"]
    return found.get("summary", {})  # type: ignore[no-any-return]


def test_each_way_of_summing_up(server: Addresses) -> None:
    points = [(3, 5.0), (0, 1.0), (7, math.nan), (9, 4.0)]
    write(server, "all", batch(1, points), said(document(9, "metrics", a={"summary": ALL})))
    expected = {"min": 1.0, "max": 5.0, "mean": 10 / 3, "first": 5.0, "last": 4.0, "best": 1.0}
    assert alone(server, "all") == {"a": pytest.approx(expected)}
    expected.pop("mean")
    assert listed(server, "all") == {"a": expected}
    assert listed(server, "all", summaryKeys=["a"]) == {"a": expected}


def test_names_win_over_globs_goals_decide_and_none_hides(server: Addresses) -> None:
    for key in ("val/acc", "val/loss"):
        write(server, "globs", batch(1, [(0, 1.0), (1, 3.0), (2, 2.0)], key=key), writer=key)
    for key in ("val/x", "quiet", "plain"):
        write(server, "globs", batch(1, [(0, 7.0)], key=key), writer=key)
    definitions = {
        "val/*": {"summary": ["best"], "goal": "maximize"},
        "*": {"summary": ["max"]},
        "val/loss": {"summary": ["best"], "goal": "minimize"},
        "quiet": {"summary": ["none"]},
        "plain": {"summary": ["copy"], "stepMetric": "epoch", "hidden": True},
        "odd": "no definition",
    }
    write(server, "globs", said(document(1, "metrics", **definitions)), writer="definer")
    expected = {"val/acc": {"best": 3}, "val/loss": {"best": 1}, "val/x": {"best": 7}, "plain": 7}
    assert alone(server, "globs") == listed(server, "globs") == expected
    answer = ask(server.http_url, "GetRun", name=f"local/{P}/globs")
    assert answer["metrics"] == definitions


def test_what_the_user_set_is_above_it_all(server: Addresses) -> None:
    records = [document(9, "metrics", **{"*": {"summary": ["min"]}}), document(10, "summary", a="mine", z={"x": 1})]
    write(server, "user", batch(1, [(0, 1.0)]), said(*records))
    assert alone(server, "user") == listed(server, "user") == {"a": "mine", "z": {"x": 1}}


def test_I6_what_a_resume_cut_off_is_in_no_summary(server: Addresses) -> None:
    defined = said(document(900, "metrics", a={"summary": ALL, "goal": "maximize"}))
    write(server, "resumed", batch(1, [(step, float(step)) for step in range(1, 100)]), defined, attempt=1)
    write(server, "resumed", batch(1, [(50, 7.0), (51, 8.0)]), attempt=2, writer="w2")
    expected = {"min": 1.0, "max": 49.0, "first": 1.0, "last": 8.0, "best": 49.0}
    assert listed(server, "resumed") == {"a": expected}
    mean = (sum(range(1, 50)) + 15) / 51
    assert alone(server, "resumed") == {"a": pytest.approx(expected | {"mean": mean})}


def test_I6_a_first_row_that_was_cut_off_is_not_the_first(server: Addresses) -> None:
    defined = said(document(900, "metrics", a={"summary": ["first", "min"]}))
    write(server, "again", batch(1, [(5, 1.0), (6, 2.0)]), defined, attempt=1)
    write(server, "again", batch(1, [(5, 3.0)]), attempt=2, writer="w2")
    assert alone(server, "again") == listed(server, "again") == {"a": {"min": 3, "first": 3}}


def test_I8_the_lowest_rank_speaks_for_the_run(server: Addresses) -> None:
    for rank in (2, 1):
        write(server, "ranks", batch(1, [(0, rank * 1.0), (1, rank * 10.0)]), rank=rank, writer=f"w{rank}")
    write(server, "ranks", said(document(1, "metrics", a={"summary": ALL})), rank=5, writer="w5")
    assert alone(server, "ranks") == {"a": {"min": 1, "max": 10, "mean": 5.5, "first": 1, "last": 10, "best": 1}}


def test_values_that_are_no_numbers_have_no_range(server: Addresses) -> None:
    defined = document(9, "metrics", **{"*": {"summary": ["min"]}, "quiet": {"summary": ["none"]}})
    write(server, "rich", batch(1, [(0, math.nan)]), said(history_row(8, 0, text="x", quiet="y"), defined))
    assert alone(server, "rich") == {"a": {}, "text": "x"}


def test_metadata_and_counts_are_on_the_run(server: Addresses) -> None:
    write(server, "meta", said(document(1, "metadata", host="h", git={"commit": "c"})))
    answer = ask(server.http_url, "GetRun", name=f"local/{P}/meta")
    assert answer["metadata"] == {"host": "h", "git": {"commit": "c"}}
    assert "fileCount" not in answer
