"""Output of a run: every line once, the last text of each, by rank, from the end, searched."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support.asking import ask
from support.writing import open_message, output, publish, said

from query import console as query_console
from runstream.errors import InvalidField
from runstream.service.host import Addresses
from runstream.store.client import Store
from runstream.v1 import ingest_pb2

P = "console"


def write(server: Addresses, run: str, *batches: ingest_pb2.PublishRequest, **fields: Any) -> list[Any]:
    return publish(server.grpc, [open_message(run, project=P, **fields), *batches])


def lines(server: Addresses, run: str, **fields: Any) -> list[tuple[int, str]]:
    answer = ask(server.http_url, "GetConsole", run=f"local/{P}/{run}", **fields)
    return [(int(line.get("number", 0)), line.get("text", "")) for line in answer.get("lines", [])]


def test_lines_come_back_as_they_were_written(server: Addresses) -> None:
    write(server, "lines", said(output(1, (0, "é\t\x1b[31mred")), output(2, (1, "oh"), is_stderr=True)))
    first, second = ask(server.http_url, "GetConsole", run=f"local/{P}/lines")["lines"]
    assert (first.get("number", 0), first["text"], first.get("isStderr")) == (0, "é\t\x1b[31mred", None)
    assert (second["number"], second["isStderr"], second["timeUs"]) == ("1", True, "1700000000000001")


@pytest.mark.parametrize("seed", range(3))
def test_I2_a_progress_bar_is_one_line_whatever_is_replayed_and_reordered(server: Addresses, seed: int) -> None:
    chance = random.Random(seed)
    records = [output(seq, (seq // 5, f"{seq} %"), (100, f"bar {seq}")) for seq in range(1, 30)]
    expected = {seq // 5: f"{seq} %" for seq in range(1, 30)} | {100: "bar 29"}
    parts = [records[start : start + size] for size in (1, 7, 29) for start in range(0, 29, size)]
    chance.shuffle(parts)
    for part in parts:
        write(server, f"bar-{seed}", said(*part))
    assert dict(lines(server, f"bar-{seed}")) == expected
    assert len(lines(server, f"bar-{seed}")) == len(expected)


def test_a_burst_is_one_insert(server: Addresses, store: Store) -> None:
    records = [output(seq, *((seq * 100 + n, "x" * 50) for n in range(100))) for seq in range(1, 11)]
    write(server, "burst", said(*records))
    assert len(lines(server, "burst", pageSize=10_000)) == 1000
    parts = store.query(
        "SELECT uniqExact(_part) FROM console WHERE run_id = (SELECT any(run_id) FROM runs WHERE run = 'burst')"
    )
    assert parts == [(1,)]


def test_pages_are_stable_over_ranks_and_attempts(server: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    for attempt in (1, 2):
        for rank in range(3):
            made = [output(seq, (seq, f"{attempt} {rank} {seq}")) for seq in range(1, 8)]
            write(server, "pages", said(*made), attempt=attempt, rank=rank, writer=f"w{attempt}{rank}")

    def paged(**fields: Any) -> list[str]:
        texts, token = [], ""
        while True:
            answer = ask(server.http_url, "GetConsole", run=f"local/{P}/pages", pageToken=token, **fields)
            texts += [line["text"] for line in answer.get("lines", [])]
            token = answer.get("nextPageToken", "")
            if not token:
                return texts

    expected = [f"{attempt} {rank} {seq}" for attempt in (1, 2) for rank in range(3) for seq in range(1, 8)]
    assert paged() == paged(pageSize=4) == paged(pageSize=1) == expected
    monkeypatch.setattr(query_console, "MAX_PAGE_BYTES", 10)
    assert paged() == expected
    monkeypatch.undo()
    assert paged(ranks=[1], attempt=2, fromLineInclusive=6) == ["2 1 6", "2 1 7"]
    assert ask(server.http_url, "GetConsole", run=f"local/{P}/pages", pageSize=1)["ranks"] == [0, 1, 2]


def test_the_end_of_each_rank_and_a_search(server: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    for rank in range(2):
        made = [
            output(seq, (seq, f"rank {rank} line {seq} {'Error' if seq % 10 == 0 else ''}")) for seq in range(1, 41)
        ]
        write(server, "tail", said(*made), rank=rank, world_size=2, writer=f"w{rank}")
    assert [number for number, _ in lines(server, "tail", tail=3)] == [38, 39, 40, 38, 39, 40]
    assert [number for number, _ in lines(server, "tail", tail=3, ranks=[1])] == [38, 39, 40]
    assert [number for number, _ in lines(server, "tail", tail=3, ranks=[1], fromLineInclusive=40)] == [40]
    assert [number for number, _ in lines(server, "tail", contains="ERROR", ranks=[0])] == [10, 20, 30, 40]
    assert [number for number, _ in lines(server, "tail", contains="error", tail=2, ranks=[0])] == [30, 40]
    monkeypatch.setattr(query_console, "MAX_LINES", 8)
    assert len(lines(server, "tail", tail=8)) == 8


def test_a_search_sees_the_last_text_of_a_line_only(server: Addresses) -> None:
    write(server, "over", said(output(1, (1, "old")), output(2, (1, "new"))))
    assert lines(server, "over", contains="old") == lines(server, "over", contains="old", tail=5) == []
    assert lines(server, "over", contains="new", tail=5) == [(1, "new")]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"run": "p/r"}, "run"),
        ({"run": "-/p/r", "tail": 10_001}, "tail"),
        ({"run": "-/p/r", "pageSize": 10_001}, "page_size"),
        ({"run": "-/p/r", "tail": 1, "pageToken": "WzEsMSwidyIsMV0="}, "page_token"),
        ({"run": "-/p/r", "pageToken": "WzFd"}, "page_token"),
    ],
)
def test_a_request_past_its_limits_names_the_field(server: Addresses, request_: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        ask(server.http_url, "GetConsole", **request_)
    assert caught.value.field == field
