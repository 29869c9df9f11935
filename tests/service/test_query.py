"""Questions and their answers: downsampling, resumes, ranks, pages, limits."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import numpy as np
import pytest
from support.asking import ask, history, points
from support.writing import batch, open_message, publish

from ingest.session import Session, Submit
from ingest.settings import Settings
from runstream.errors import InvalidField, NotFound
from runstream.service.host import Addresses
from runstream.store.client import Store
from runstream.store.records import tables
from runstream.v1 import query_pb2

P = "query"


def write(server: Addresses, run: str, rows: list[tuple[int, float]], *, key: str = "a", **fields: Any) -> None:
    """Rows of one key, 500 a batch, a writer of its own for each call."""
    fields.setdefault("writer", f"w{random.randrange(1 << 40)}")
    parts = [rows[start : start + 500] for start in range(0, len(rows), 500)]
    batches = [batch(index * 500 + 1, part, key=key) for index, part in enumerate(parts)]
    publish(server.grpc, [open_message(run, project=P, **fields), *batches])


def curve(server: Addresses, run: str, **fields: Any) -> query_pb2.Curve:
    (found,) = history(server.http_url, runs=[f"local/{P}/{run}"], keys=["a"], **fields)
    return found


def test_a_short_curve_is_returned_exactly_with_its_odd_values(server: Addresses) -> None:
    write(server, "exact", [(0, 1.0), (7, math.nan), (1000, math.inf), (-5, 2.0)])
    found = curve(server, "exact", max_buckets=10)
    assert found.exact
    assert list(found.steps) == [-5, 0, 7, 1000]
    assert [repr(value) for value in found.last] == ["2.0", "1.0", "nan", "inf"]
    assert list(found.non_finite_count) == [0, 0, 1, 1]


def test_a_long_curve_is_downsampled_to_true_extremes_and_means(server: Addresses) -> None:
    values = np.random.default_rng(1).normal(size=3000)
    values[1234], values[77] = 1e6, math.nan
    write(server, "long", [(step, float(value)) for step, value in enumerate(values)])
    found = curve(server, "long", max_buckets=100)
    assert not found.exact
    assert len(found.steps) <= 100
    assert sum(found.count) == 3000
    assert sum(found.non_finite_count) == 1
    width = 32
    for index, step in enumerate(found.steps):
        part = values[step // width * width :][:width]
        part = part[np.isfinite(part)]
        assert (found.min[index], found.max[index]) == (part.min(), part.max())
        assert math.isclose(found.mean[index], part.mean(), rel_tol=1e-9, abs_tol=1e-12)
        assert found.first[index] == values[step]


def test_zooming_in_reaches_exact_rows(server: Addresses) -> None:
    write(server, "zoom", [(step, float(step)) for step in range(2000)])
    found = curve(server, "zoom", max_buckets=100, from_step_inclusive=1000, to_step_exclusive=1050)
    assert found.exact
    assert list(found.steps) == list(range(1000, 1050))
    assert list(found.last) == [float(step) for step in range(1000, 1050)]


def test_I6_a_resume_neither_cuts_system_metrics_nor_is_cut_by_their_seconds(server: Addresses) -> None:
    write(server, "sampled", [(step, 1.0) for step in range(100)], attempt=1)
    write(server, "sampled", [(second, 5.0) for second in range(300)], attempt=1, key="system/cpu", writer="s1")
    write(server, "sampled", [(step, 2.0) for step in range(90, 95)], attempt=2)
    write(server, "sampled", [(second, 6.0) for second in (50, 400)], attempt=2, key="system/cpu", writer="s2")
    name = f"local/{P}/sampled"
    found = points(server.http_url, name, ["a", "system/cpu"])
    assert found["a", 0] == {step: 1.0 + (step >= 90) for step in range(95)}
    assert found["system/cpu", 0] == {second: 5.0 + (second in (50, 400)) for second in (*range(300), 400)}
    run = ask(server.http_url, "GetRun", name=name)["run"]
    assert (run["lastStep"], run["summary"]) == ("99", {"a": 2.0})


def test_I6_a_resume_cuts_earlier_attempts_and_they_stay_readable(server: Addresses) -> None:
    write(server, "resumed", [(step, 1.0) for step in range(100)], attempt=1)
    write(server, "resumed", [(step, 2.0) for step in range(60, 80)], attempt=2)
    write(server, "resumed", [(step, 3.0) for step in range(70, 75)], attempt=3)
    found = curve(server, "resumed", max_buckets=1000)
    expected = {
        **dict.fromkeys(range(60), 1.0),
        **dict.fromkeys(range(60, 70), 2.0),
        **dict.fromkeys(range(70, 75), 3.0),
    }
    assert dict(zip(found.steps, found.last, strict=True)) == expected
    first = curve(server, "resumed", max_buckets=1000, attempt=1)
    assert list(first.last) == [1.0] * 100
    latest = ask(server.http_url, "GetLatest", runs=[f"local/{P}/resumed"])["values"]
    assert [(value["step"], value["value"]) for value in latest] == [("74", 3.0)]


def test_ranks_apart_and_together(server: Addresses) -> None:
    for rank in range(4):
        write(server, "ranks", [(step, float(rank)) for step in range(10)], rank=rank, world_size=4)
    run = [f"local/{P}/ranks"]
    each = history(server.http_url, runs=run, keys=["a"])
    assert [(found.rank, len(found.steps), found.last[0]) for found in each] == [(r, 10, float(r)) for r in range(4)]
    (together,) = history(server.http_url, runs=run, keys=["a"], rank_mode=query_pb2.RANK_MODE_ALL)
    assert (together.min[0], together.max[0], together.mean[0], together.count[0]) == (0.0, 3.0, 1.5, 4)
    assert not together.HasField("rank")
    some = history(server.http_url, runs=run, keys=["a"], ranks=[1, 3])
    assert [found.rank for found in some] == [1, 3]


def test_many_runs_and_keys_in_the_order_asked_without_those_that_have_none(server: Addresses) -> None:
    for name in ("m1", "m2"):
        write(server, name, [(0, 1.0)], key="a")
        write(server, name, [(0, 2.0)], key="b", writer=f"{name}-b", rank=0)
    runs = [f"local/{P}/m2", f"local/{P}/none", f"local/{P}/m1"]
    found = history(server.http_url, runs=runs, keys=["b", "zzz", "a"])
    assert [(each.run[-2:], each.key) for each in found] == [("m2", "b"), ("m2", "a"), ("m1", "b"), ("m1", "a")]


def test_latest_is_the_highest_step_then_the_last_write(server: Addresses) -> None:
    write(server, "latest", [(5, 1.0), (9, 2.0), (3, 3.0), (9, 4.0)])
    (value,) = ask(server.http_url, "GetLatest", runs=[f"local/{P}/latest"], keys=["a"])["values"]
    assert (value["step"], value["value"]) == ("9", 4.0)
    assert list(curve(server, "latest").last) == [3.0, 1.0, 4.0]


def test_runs_and_keys_come_page_by_page_each_once(server: Addresses) -> None:
    for number in range(25):
        opened = open_message(f"page-{number}", project="pages", started_us=1_700_000_000_000_000 + number * 1_000_000)
        publish(server.grpc, [opened, batch(1, [(0, 1.0)], key=f"key-{number:02d}")])
    names, token = [], ""
    while True:
        answer = ask(server.http_url, "ListRuns", project="local/pages", pageSize=7, pageToken=token)
        names += [run["name"] for run in answer["runs"]]
        token = answer.get("nextPageToken", "")
        if not token:
            break
    assert names == [f"local/pages/page-{number}" for number in reversed(range(25))]
    keys, token = [], ""
    while True:
        answer = ask(server.http_url, "ListKeys", project="local/pages", pageSize=10, pageToken=token)
        keys += answer["keys"]
        token = answer.get("nextPageToken", "")
        if not token:
            break
    assert keys == [f"key-{number:02d}" for number in range(25)]
    assert ask(server.http_url, "ListKeys", project="local/pages", contains="KEY-1")["keys"] == keys[10:20]
    listed = ask(server.http_url, "ListProjects")["projects"]
    assert {"local/pages": "25"}.items() <= {each["name"]: each["runCount"] for each in listed}.items()


def test_summary_is_the_latest_values_under_what_was_set(server: Addresses) -> None:
    write(server, "summary", [(0, 1.0), (1, math.nan)])
    (run,) = [
        run
        for run in ask(server.http_url, "ListRuns", project=f"local/{P}")["runs"]
        if run["name"].endswith("/summary")
    ]
    assert run["summary"] == {"a": "NaN"}
    assert run["lastStep"] == "1"


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("GetHistory", {"runs": [], "keys": ["a"]}, "runs"),
        ("GetHistory", {"runs": ["-/p/r"], "keys": []}, "keys"),
        ("GetHistory", {"runs": ["-/p/r"] * 1001, "keys": ["a"]}, "runs"),
        ("GetHistory", {"runs": ["-/p/r"], "keys": ["a"], "maxBuckets": 10_001}, "max_buckets"),
        ("GetHistory", {"runs": ["p/r"], "keys": ["a"]}, "runs"),
        ("GetHistory", {"runs": ["-/p/r"], "keys": ["a"], "toStepExclusive": str(-(1 << 63))}, "to_step_exclusive"),
        ("GetLatest", {"runs": ["-/p/r"], "keys": ["a"] * 1001}, "keys"),
        ("ListRuns", {"project": "p"}, "project"),
        ("ListRuns", {"project": "-/p", "pageSize": 1001}, "page_size"),
        ("ListRuns", {"project": "-/p", "pageToken": "x"}, "page_token"),
        ("ListRuns", {"project": "-/p", "summaryKeys": ["a"] * 1001}, "summary_keys"),
        ("ListKeys", {}, "project"),
        ("GetRun", {"name": "-/p"}, "name"),
    ],
)
def test_a_request_past_its_limits_names_field_and_limit(
    server: Addresses, method: str, request_: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidField) as caught:
        ask(server.http_url, method, **request_)
    assert caught.value.field == field


@pytest.mark.parametrize("token", ["WzEsMl0=", "WyJ4IiwgeyJhIjogMX1d", "W10=", "?"])
@pytest.mark.parametrize("method", ["ListKeys", "ListProjects"])
def test_a_token_of_another_shape_is_the_callers_fault(server: Addresses, method: str, token: str) -> None:
    request_ = {} if method == "ListProjects" else {"project": "-/p"}
    with pytest.raises(InvalidField, match="page_token"):
        ask(server.http_url, method, pageToken=token, **request_)


def test_a_run_that_is_not_there_is_not_found(server: Addresses) -> None:
    with pytest.raises(NotFound, match="nobody"):
        ask(server.http_url, "GetRun", name="-/p/nobody")


def test_odd_names_are_only_names(server: Addresses) -> None:
    name = "it's \\ {x:String} % ü ; DROP TABLE points --"
    write(server, name, [(0, 1.0)], key=name)
    found = history(server.http_url, runs=[f"local/{P}/{name}"], keys=[name])
    assert [(each.run, each.key) for each in found] == [(f"local/{P}/{name}", name)]
    assert ask(server.http_url, "GetRun", name=f"local/{P}/{name}")["run"]["displayName"] == name


@pytest.mark.parametrize(("silence_s", "state"), [(5, "RUN_STATE_RUNNING"), (40, "RUN_STATE_CRASHED")])
def test_a_writer_that_is_not_heard_of_has_crashed(server: Addresses, store: Store, silence_s: int, state: str) -> None:
    session = Session(open_message(f"silent-{silence_s}", project=P).open, "local", Settings())
    _, submit = session.opened(time.time_ns() // 1000 - silence_s * 1_000_000)
    assert isinstance(submit, Submit)
    for table, rows in tables(submit.rows).items():
        store.insert_arrow(table, rows)
    answer = ask(server.http_url, "GetRun", name=f"local/{P}/silent-{silence_s}")
    assert answer["run"]["state"] == state
    assert [writer["state"] for writer in answer["writers"]] == [state]
