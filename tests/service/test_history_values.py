"""Values that are no numbers: stored once, paged, cut by resumes, found by name, in the summary."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from support.asking import ask
from support.writing import batch, history_row, open_message, publish, said

from query import values as query_values
from runstream.errors import InvalidField
from runstream.service.host import Addresses
from runstream.v1 import ingest_pb2, record_pb2

P = "values"


def write(server: Addresses, run: str, *batches: ingest_pb2.PublishRequest, **fields: Any) -> list[Any]:
    return publish(server.grpc, [open_message(run, project=P, **fields), *batches])


def found(server: Addresses, run: str, *keys: str, **fields: Any) -> list[dict[str, Any]]:
    answer = ask(server.http_url, "GetHistoryValues", runs=[f"local/{P}/{run}"], keys=keys, **fields)
    return answer.get("values", [])  # type: ignore[no-any-return]


def by_step(values: list[dict[str, Any]]) -> dict[int, Any]:
    return {int(value.get("step", 0)): json.loads(value["json"]) for value in values}


def test_values_come_back_with_type_time_and_where_their_file_is(server: Addresses) -> None:
    image = {"_type": "image-file", "path": "media/images/ü 1.png", "sha256": "a" * 64}
    write(
        server, "types", said(history_row(1, 7, text="hé", none=None, image=image, images=[image, image], o={"a": 1}))
    )
    answer = {value["key"]: value for value in found(server, "types", "text", "none", "image", "images", "o")}
    assert {key: value["type"] for key, value in answer.items()} == {
        "text": "string", "none": "null", "image": "image-file", "images": "image-file[]", "o": "object",
    }  # fmt: skip
    url = f"/files/local/{P}/types/media/images/%C3%BC%201.png"
    assert answer["image"]["urls"] == [url]
    assert answer["images"]["urls"] == [url, url]
    assert "urls" not in answer["o"]
    assert json.loads(answer["image"]["json"]) == image
    assert (answer["text"]["step"], answer["text"]["timestampMs"]) == ("7", "1700000000007")


@pytest.mark.parametrize("seed", range(5))
def test_I2_replayed_regrouped_and_reordered_rows_are_there_once(server: Addresses, seed: int) -> None:
    chance = random.Random(seed)
    rows = [history_row(seq, chance.randrange(6), a=f"text {seq}", b=[seq]) for seq in range(1, 20)]
    expected: dict[str, dict[int, Any]] = {"a": {}, "b": {}}
    for row in rows:
        for key, value in json.loads(row.history.json).items():
            expected[key][row.history.step] = value
    parts = []
    for _ in range(4):
        edges = sorted(chance.sample(range(1, len(rows)), 4))
        parts += [rows[start:end] for start, end in itertools.pairwise([0, *edges, len(rows)])]
    chance.shuffle(parts)
    for part in parts:  # a stream each: a replay may begin anywhere and come through any replica
        write(server, f"replay-{seed}", said(*part))
    values = found(server, f"replay-{seed}", "a", "b")
    assert len(values) == sum(map(len, expected.values()))
    for key, steps in expected.items():
        assert by_step([value for value in values if value["key"] == key]) == steps
    summary = ask(server.http_url, "GetRun", name=f"local/{P}/replay-{seed}")["run"]["summary"]
    assert summary == {key: steps[max(steps)] for key, steps in expected.items()}


def test_I6_a_resume_cuts_values_as_it_cuts_points(server: Addresses) -> None:
    write(server, "resumed", said(*(history_row(step + 1, step, a="old") for step in range(10))), attempt=1)
    write(server, "resumed", said(history_row(1, 6, a="new"), history_row(2, 7, a="new")), attempt=2, writer="w2")
    now = by_step(found(server, "resumed", "a"))
    assert now == {**dict.fromkeys(range(6), "old"), 6: "new", 7: "new"}
    assert by_step(found(server, "resumed", "a", attempt=1)) == dict.fromkeys(range(10), "old")
    assert {value["attempt"] for value in found(server, "resumed", "a")} == {1, 2}


def test_I6_a_row_without_numbers_is_where_a_resume_begins_for_points_too(server: Addresses) -> None:
    write(server, "first", batch(1, [(step, 1.0) for step in range(10)]), attempt=1)
    resumed = [said(history_row(1, 4, note="from a checkpoint")), batch(2, [(5, 2.0)])]
    write(server, "first", *resumed, attempt=2, writer="w2")
    (latest,) = ask(server.http_url, "GetLatest", runs=[f"local/{P}/first"], keys=["a"])["values"]
    assert (latest["step"], latest["value"]) == ("5", 2.0)
    curve = ask(server.http_url, "GetHistory", runs=[f"local/{P}/first"], keys=["a"])["curves"][0]
    assert curve["steps"] == ["0", "1", "2", "3", "5"]


def test_pages_are_stable_and_hold_every_value_once(server: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    for rank in range(3):
        rows = [history_row(seq, seq % 5, a=f"{rank} {seq}", b="x" * 50) for seq in range(1, 11)]
        write(server, "pages", said(*rows), rank=rank, world_size=3, writer=f"w{rank}")
    write(server, "pages-2", said(history_row(1, 1, a="other")))
    runs = [f"local/{P}/pages-2", f"local/{P}/none", f"local/{P}/pages"]

    def paged(**fields: Any) -> list[tuple[str, str, int, int]]:
        places, token = [], ""
        while True:
            answer = ask(server.http_url, "GetHistoryValues", runs=runs, keys=["b", "a"], pageToken=token, **fields)
            places += [
                (value["run"], value["key"], int(value.get("step", 0)), value.get("rank", 0))
                for value in answer.get("values", [])
            ]
            token = answer.get("nextPageToken", "")
            if not token:
                return places

    expected = [(runs[0], "a", 1, 0)]
    expected += [(runs[2], key, step, rank) for key in "ab" for step in range(5) for rank in range(3)]
    assert paged(pageSize=1000) == paged(pageSize=7) == paged(pageSize=1) == expected
    monkeypatch.setattr(query_values, "MAX_PAGE_BYTES", 200)
    assert paged(pageSize=1000) == expected


def test_steps_and_ranks_can_be_chosen(server: Addresses) -> None:
    for rank in range(3):
        rows = [history_row(step + 1, step, a=rank) for step in range(10)]
        write(server, "chosen", said(*rows), rank=rank, world_size=3, writer=f"w{rank}")
    values = found(server, "chosen", "a", fromStepInclusive=3, toStepExclusive=6, ranks=[2])
    assert by_step(values) == {3: 2, 4: 2, 5: 2}


def test_keys_are_listed_with_their_types_beside_those_of_numbers(server: Addresses) -> None:
    table = {"_type": "table-file", "path": "t.json"}
    write(server, "keys", batch(1, [(0, 1.0)], key="both"), said(history_row(2, 3, both=None, m=table)))
    write(server, "keys", said(history_row(9, 8, m="text", z=[])), batch(10, [(0, 1.0)], key="n"))
    answer = ask(server.http_url, "ListKeys", runs=[f"local/{P}/keys"])
    assert answer["keys"] == ["both", "n"]
    assert [(key["key"], key["types"]) for key in answer["richKeys"]] == [
        ("both", ["null"]),
        ("m", ["string", "table-file"]),
        ("z", ["list"]),
    ]
    assert (answer["richKeys"][1]["minStep"], answer["richKeys"][1]["maxStep"]) == ("3", "8")
    first = ask(server.http_url, "ListKeys", runs=[f"local/{P}/keys"], pageSize=2)
    rest = ask(server.http_url, "ListKeys", runs=[f"local/{P}/keys"], pageSize=2, pageToken=first["nextPageToken"])
    assert (first["keys"], [key["key"] for key in first["richKeys"]]) == (["both"], ["both", "m"])
    assert (rest["keys"], [key["key"] for key in rest["richKeys"]]) == (["n"], ["z"])


def test_a_row_is_refused_by_what_is_wrong_with_it_and_its_account_adds_up(server: Addresses) -> None:
    bad = record_pb2.Record(seq=2, history=record_pb2.HistoryRow(json="[]"))
    odd = history_row(3, 1, **{"a\nb": "x", "good": "y"})
    answers = write(server, "refused", said(history_row(1, 0, good="x"), bad, odd))
    refusals = [(answer.refusal.field, answer.refusal.count) for answer in answers if answer.HasField("refusal")]
    assert refusals == [("history.json", 1), ("history.key", 1)]
    assert by_step(found(server, "refused", "good")) == {0: "x", 1: "y"}
    shown = ask(server.http_url, "GetRun", name=f"local/{P}/refused")["refusals"]
    assert {(entry["field"], entry["count"]) for entry in shown} == {("history.json", "1"), ("history.key", "1")}


def test_the_later_of_a_number_and_another_value_is_the_summary(server: Addresses) -> None:
    write(server, "mixed", batch(1, [(0, 1.0), (5, 2.0)]), said(history_row(9, 3, a="text")))
    write(server, "mixed-2", batch(1, [(0, 1.0)]), said(history_row(9, 3, a="text", long="x" * 5000)))
    for run, value in (("mixed", 2.0), ("mixed-2", "text")):
        assert ask(server.http_url, "GetRun", name=f"local/{P}/{run}")["run"]["summary"] == {"a": value}


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"runs": [], "keys": ["a"]}, "runs"),
        ({"runs": ["-/p/r"], "keys": []}, "keys"),
        ({"runs": ["-/p/r"], "keys": ["a"], "pageSize": 10_001}, "page_size"),
        ({"runs": ["-/p/r"], "keys": ["a"], "pageToken": "WzFd"}, "page_token"),
        ({"runs": ["-/p/r"], "keys": ["a"], "toStepExclusive": str(-(1 << 63))}, "to_step_exclusive"),
    ],
)
def test_a_request_past_its_limits_names_the_field(server: Addresses, request_: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        ask(server.http_url, "GetHistoryValues", **request_)
    assert caught.value.field == field
