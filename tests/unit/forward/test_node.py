"""What a node's forwarder takes, and what it leaves to others."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from runstream.forward.chain import Listener, only_forwarder
from runstream.forward.node import NodeForwarder
from runstream.forward.settings import ForwardSettings
from runstream.spool.places import is_locked, writer_dirs
from runstream.spool.writer import SpoolWriter


class Heard(Listener):
    def __init__(self) -> None:
        self.given_up: list[tuple[str, str]] = []

    def gave_up(self, directory: Path, why: str, /) -> None:
        self.given_up.append((directory.name, why))


def writer(folder: Path, run: str, forwarder: str, rank: int = 0) -> SpoolWriter:
    return SpoolWriter(folder / "p" / run / f"r{rank}", {"run": run, "forwarder": forwarder})


def node(folder: Path, heard: Listener | None = None) -> NodeForwarder:
    settings = ForwardSettings(Path(), "http://127.0.0.1:9", give_up_after_s=math.inf)
    return NodeForwarder([folder, folder / "p"], settings, heard or Listener())


def taken(found: NodeForwarder) -> list[str]:
    return [run_dir.name for run_dir in found._find()]


def test_living_runs_that_rely_on_it_and_all_dead_ones_are_taken(tmp_path: Path) -> None:
    living = [writer(tmp_path, f"living-{kind}", kind) for kind in ("own", "node", "none")]
    for kind in ("own", "node", "none"):
        writer(tmp_path, f"dead-{kind}", kind).close()
    found = node(tmp_path)
    assert taken(found) == ["dead-node", "dead-none", "dead-own", "living-node", "living-none"]
    for each in living:
        each.close()
    assert "living-own" in taken(found)


def test_a_run_that_somebody_forwards_or_whose_accounts_are_closed_is_left(tmp_path: Path) -> None:
    writer(tmp_path, "a", "node").close()
    writer(tmp_path, "b", "node").close()
    (tmp_path / "p" / "b" / "r0" / "receipt.json").write_text("{}")
    found = node(tmp_path)
    with only_forwarder(tmp_path / "p" / "a") as is_only:
        assert is_only
        assert taken(found) == []
    assert taken(found) == ["a"]


def test_a_writer_that_was_refused_is_left_and_said_once_its_neighbours_are_not(tmp_path: Path) -> None:
    heard = Heard()
    for run, rank in (("a", 0), ("a", 1), ("b", 0)):
        writer(tmp_path, run, "node", rank).close()
    found = node(tmp_path, heard)
    for _ in range(3):
        found.gave_up(tmp_path / "p" / "b" / "r0", "bad name")
        found.gave_up(tmp_path / "p" / "a" / "r0", "bad rank")
    assert taken(found) == ["a"]
    found.gave_up(tmp_path / "p" / "a", "no such disk")
    assert taken(found) == []
    assert heard.given_up == [("r0", "bad name"), ("r0", "bad rank"), ("a", "no such disk")]


def test_files_that_cannot_be_opened_are_said_and_stop_nobody_else(tmp_path: Path) -> None:
    heard = Heard()
    for run in ("a", "b"):
        writer(tmp_path, run, "node").close()
    (tmp_path / "p" / "a" / "forwarder.lock").mkdir()
    found = node(tmp_path, heard)
    assert taken(found) == taken(found) == ["b"]
    ((name, why),) = heard.given_up
    assert (name, "Is a directory" in why) == ("a", True)


def test_a_folder_that_is_not_there_yet_is_no_trouble(tmp_path: Path) -> None:
    found = node(tmp_path / "later")
    assert taken(found) == []
    writer(tmp_path / "later", "a", "node").close()
    assert taken(found) == ["a"]


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_writers_are_found_at_and_below_any_folder(tmp_path: Path, depth: int) -> None:
    made = writer(tmp_path, "run", "node")
    (made.directory / "deeper").mkdir()
    (made.directory / "deeper" / "writer.json").write_text(json.dumps({}))
    folder = [made.directory, *made.directory.parents][depth]
    assert list(writer_dirs(folder)) == [made.directory]
    assert is_locked(made.directory / "writer.lock")
    made.close()
    assert not is_locked(made.directory / "writer.lock")
    assert not is_locked(made.directory / "none")
