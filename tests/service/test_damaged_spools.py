"""A forwarder on a run's directory where one writer's files are damaged: that one is named, the others are sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.asking import ask, points

from runstream.forward.chain import Forwarder
from runstream.forward.settings import ForwardSettings
from runstream.service.host import Addresses
from runstream.spool.frame import SEGMENT_HEADER, frame, record_frame, segment_header
from runstream.spool.writer import SpoolWriter

ROWS = 40


def spool(run_dir: Path, rank: int, rows: int = ROWS) -> Path:
    """A writer that has gone, without a last word."""
    identity = {
        "entity": "",
        "project": "damage",
        "run": run_dir.name,
        "attempt": 1,
        "rank": rank,
        "world_size": 3,
        "writer": f"w{rank}",
        "host": "h",
        "process_id": 7,
        "started_us": 1_700_000_000_000_000,
    }
    writer = SpoolWriter(run_dir / f"r{rank}", identity, segment_max_bytes=400)
    for step in range(rows):
        writer.append_row({"a": step / 2}, step, 1_700_000_000_000)
    writer.close()
    return writer.directory


def forward(server: Addresses, run_dir: Path) -> Forwarder:
    async def run() -> Forwarder:
        forwarder = Forwarder(ForwardSettings(run_dir=run_dir, base_url=server.http_url, poll_s=0.001))
        async with asyncio.timeout(60):
            await forwarder.run()
        return forwarder

    return asyncio.run(run())


def others_are_whole(server: Addresses, run_dir: Path) -> None:
    stored = points(server.http_url, f"local/damage/{run_dir.name}", ["a"])
    assert {rank: stored["a", rank] for rank in (0, 2)} == {rank: {i: i / 2 for i in range(ROWS)} for rank in (0, 2)}


def as_directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def without(field: str) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        who = json.loads(path.read_text())
        del who[field]
        path.write_text(json.dumps(who))

    return change


def with_value(field: str, value: Any) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))


IDENTITIES = {
    "torn": written(b'{"entity": '),
    "empty": written(b""),
    "foreign": written(b"\x89PNG\r\n"),
    "a list": written(b"[]"),
    "deep": written(b"[" * 100_000),
    "a directory": as_directory,
    "no run": without("run"),
    "run is a number": with_value("run", 5),
    "rank is negative": with_value("rank", -1),
    "rank is a text": with_value("rank", "0"),
    "rank is huge": with_value("rank", 1 << 32),
    "writer is a lone surrogate": with_value("writer", "\ud800"),
    "project cannot be": with_value("project", "a/b"),
}


@pytest.mark.parametrize("damage", IDENTITIES.values(), ids=IDENTITIES.keys())
def test_a_writer_that_cannot_say_who_it_is_is_named_and_the_others_are_sent(
    server: Addresses, tmp_path: Path, request: pytest.FixtureRequest, damage: Callable[[Path], object]
) -> None:
    run_dir = tmp_path / f"who-{request.node.callspec.indices['damage']}"
    for rank in range(3):
        spool(run_dir, rank)
    damage(run_dir / "r1" / "writer.json")
    forwarder = forward(server, run_dir)
    assert list(forwarder.gave_up) == ["r1"]
    assert sorted(forwarder.receipts) == ["r0", "r2"]
    assert all(receipt["complete"] for receipt in forwarder.receipts.values())
    assert (run_dir / "r1" / "00000001.spool").exists()
    others_are_whole(server, run_dir)


FILES = {
    "acked.json torn": ("acked.json", written(b'{"acked')),
    "acked.json foreign": ("acked.json", written(b"\xff\xd8\xff\xe0")),
    "refused.jsonl foreign": ("refused.jsonl", written(b"\xff\xd8\xff\xe0")),
    "receipt.json torn": ("receipt.json", written(b'{"sent": ')),
    "receipt.json empty": ("receipt.json", written(b"")),
    "writer.lock gone": ("writer.lock", Path.unlink),
    "notes in a spool's name": ("notes.spool", written(b"milk")),
}


@pytest.mark.parametrize(("name", "damage"), FILES.values(), ids=FILES.keys())
def test_a_damaged_file_beside_the_segments_costs_no_point(
    server: Addresses,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    name: str,
    damage: Callable[[Path], object],
) -> None:
    run_dir = tmp_path / request.node.callspec.id.replace(" ", "-")
    for rank in range(3):
        spool(run_dir, rank)
    damage(run_dir / "r1" / name)
    receipts = forward(server, run_dir).receipts
    for receipt in receipts.values():
        assert (receipt["sent"], receipt["stored"], receipt["refused"], receipt["gaps"]) == (ROWS, ROWS, 0, 0)
    assert len(receipts) == 3
    assert points(server.http_url, f"local/damage/{run_dir.name}", ["a"])["a", 1] == {i: i / 2 for i in range(ROWS)}
    others_are_whole(server, run_dir)
    assert (run_dir / "r1" / "notes.spool").exists() == (name == "notes.spool")


@pytest.mark.parametrize("name", ["acked.json", "receipt.json", "writer.lock"])
def test_a_directory_where_a_file_belongs_gives_that_writer_up_by_name(
    server: Addresses, tmp_path: Path, name: str
) -> None:
    run_dir = tmp_path / f"dir-{name}"
    for rank in range(3):
        spool(run_dir, rank)
    as_directory(run_dir / "r1" / name)
    forwarder = forward(server, run_dir)
    assert list(forwarder.gave_up) == ["r1"]
    assert name in forwarder.gave_up["r1"]
    others_are_whole(server, run_dir)


def test_a_dead_writers_damaged_last_segment_is_a_gap_of_its_receipt_and_of_its_page(
    server: Addresses, tmp_path: Path
) -> None:
    run_dir = tmp_path / "last"
    for rank in range(3):
        spool(run_dir, rank, ROWS + (rank == 1))
    last = max((run_dir / "r1").glob("*.spool"))
    content = bytearray(last.read_bytes())
    assert len(content) > SEGMENT_HEADER.size
    content[-1] ^= 1
    last.write_bytes(content)
    receipts = forward(server, run_dir).receipts
    damaged = receipts["r1"]
    assert (damaged["gaps"], damaged["complete"]) == (1, False)
    assert damaged["sent"] == damaged["stored"] == ROWS
    assert [entry["reason"] for entry in damaged["refusals"]] == ["SPOOL_DAMAGED"]
    assert receipts["r0"]["complete"]
    others_are_whole(server, run_dir)


def test_gaps_are_the_frames_that_a_damaged_segment_cost(server: Addresses, tmp_path: Path) -> None:
    run_dir = tmp_path / "middle"
    for rank in range(3):
        spool(run_dir, rank)
    second = run_dir / "r1" / "00000002.spool"
    frames = [int.from_bytes((run_dir / "r1" / f"0000000{n}.spool").read_bytes()[8:16], "little") for n in (2, 3)]
    second.write_bytes(b"\x89PNG\r\n")
    damaged = forward(server, run_dir).receipts["r1"]
    assert damaged["gaps"] == frames[1] - frames[0]
    assert damaged["sent"] == damaged["stored"] == ROWS - (damaged["gaps"] - 1)  # one of them is a schema
    assert second.exists()
    others_are_whole(server, run_dir)


def test_a_record_that_is_none_is_shown_and_what_is_around_it_is_stored(server: Addresses, tmp_path: Path) -> None:
    run_dir = tmp_path / "records"
    for rank in range(3):
        directory = spool(run_dir, rank)
    last = max(directory.glob("*.spool"))
    odd: list[Any] = [
        {"writer": {"state": 5.5}},
        {"run": {}, "document": {}},
        {"run": {"displayName": "\ud800"}},
        {"refused": {"count": "-1"}},
        {"refused": {"reason": 99, "count": "0"}},
        {"timeUs": "x"},
        {"document": {"kind": "KIND_CONFIG", "json": "\ud800"}},
    ]
    with last.open("ab") as file:
        for record in odd:
            file.write(record_frame(record))
    receipt = forward(server, run_dir).receipts["r2"]
    assert (receipt["sent"], receipt["stored"], receipt["gaps"]) == (ROWS, ROWS, 0)
    reasons = [entry["reason"] for entry in receipt["refusals"]]
    assert reasons.count("SPOOL_DAMAGED") >= 3
    assert "UNKNOWN_99" in reasons
    shown = {entry["reason"] for entry in ask(server.http_url, "GetRun", name="local/damage/records")["refusals"]}
    assert {"SPOOL_DAMAGED", "UNKNOWN_99"} <= shown
    others_are_whole(server, run_dir)


def test_a_spool_of_a_later_version_stays_for_one_that_can_read_it(server: Addresses, tmp_path: Path) -> None:
    run_dir = tmp_path / "later"
    for rank in range(3):
        spool(run_dir, rank)
    for path in (run_dir / "r1").glob("*.spool"):
        path.write_bytes(b"\x02" + segment_header(1)[1:] + frame(b"what a later version says"))
    forwarder = forward(server, run_dir)
    assert "version 2" in forwarder.gave_up["r1"]
    assert (run_dir / "r1" / "00000001.spool").exists()
    assert not (run_dir / "r1" / "receipt.json").exists()
    others_are_whole(server, run_dir)
