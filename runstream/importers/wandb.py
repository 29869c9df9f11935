"""wandb's run folders, offline ones above all: ``wandb/offline-run-…/run-ID.wandb``.

Numbers of the history become points, nested ones with dots; config, name, tags, notes and group are taken, and of the
summary what is not the last value of the history anyway. An offline run that was resumed has a folder for each start,
and each is an attempt, numbered by its start in seconds. A run without an end is a crashed one.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from runstream.errors import InvalidField
from runstream.importers.imported import Gatherer, ImportedRun, State, files_below, own_id, own_project
from runstream.importers.messages import message_types
from runstream.importers.wandb_log import records

# What is only counted is declared as bytes: messages and bytes look the same on the wire.
_SKIPPED = {
    "output": "console output",
    "stats": "system metrics",
    "artifact": "artifacts",
    "alert": "alerts",
    "metric": "metric definitions",
    "output_raw": "console output",
    "use_artifact": "artifacts used",
}
_TYPES = message_types(
    "runstream.importers.wandb",
    {
        "Record": "history History 2, summary Items 3, output bytes 4, config Items 5, stats bytes 7, "
        "artifact bytes 8, alert bytes 10, metric bytes 12, output_raw bytes 13, run Run 17, exit Exit 18, "
        "use_artifact bytes 25",
        "Run": "run_id bytes 1, entity bytes 2, project bytes 3, config Items 4, group bytes 6, job_type bytes 7, "
        "display_name bytes 8, notes bytes 9, tags* bytes 10, start_time Time 17",
        "Items": "update* Item 1, remove* Item 2",
        "Item": "key bytes 1, nested_key* bytes 2, value_json bytes 16",
        "History": "item* Item 1, step Step 2",
        "Step": "num int64 1",
        "Exit": "exit_code int32 1",
        "Time": "seconds int64 1, nanos int32 2",
    },
)
_Record = _TYPES["Record"]
_ROW_ITEMS = ("_step", "_timestamp", "_runtime", "_wandb")
_Path = tuple[str, ...]


class _Document:
    """A config or summary that is told in pieces: path to JSON text."""

    def __init__(self) -> None:
        self.leaves: dict[_Path, str] = {}

    def apply(self, items: Any) -> None:
        for item in items.update:
            self._remove(_path(item))
            self.leaves[_path(item)] = _text(item.value_json)
        for item in items.remove:
            self._remove(_path(item))

    def as_dict(self, without: Mapping[str, str]) -> dict[str, Any]:
        """The document, but for wandb's own keys, and leaves that are said elsewhere."""
        made: dict[str, Any] = {}
        for path, text in self.leaves.items():
            if path[0].startswith("_") or without.get(".".join(path)) == text:
                continue
            place = made
            for name in path[:-1]:
                place = place.setdefault(name, {})
            place[path[-1]] = json.loads(text)
        return made

    def _remove(self, path: _Path) -> None:
        if path in self.leaves:  # then nothing is above or below; a history of a million rows says its summary as often
            del self.leaves[path]
            return
        # Also what is below it, and what it is below: config values may be replaced by sections and the reverse.
        short = len(path)
        self.leaves = {
            each: text for each, text in self.leaves.items() if each[:short] != path and each != path[: len(each)]
        }


class _Reading:
    def __init__(self) -> None:
        self.gatherer = Gatherer()
        self.config, self.summary = _Document(), _Document()
        self.latest: dict[str, str] = {}
        self.run: Any = None
        self.state: State = "crashed"

    def record(self, record: Any) -> None:
        if record.HasField("history"):
            self._history(record.history)
        elif record.HasField("summary"):
            self.summary.apply(record.summary)
        elif record.HasField("config"):
            self.config.apply(record.config)
        elif record.HasField("run"):
            self.run = record.run  # said again, whole, when something of it changes
            self.config.apply(record.run.config)
        elif record.HasField("exit"):
            self.state = "failed" if record.exit.exit_code else "finished"
        for name, kind in _SKIPPED.items():
            self.gatherer.skipped[kind] += record.HasField(name)

    def _history(self, history: Any) -> None:
        row = {".".join(_path(item)): _text(item.value_json) for item in history.item}
        step = history.step.num if history.HasField("step") else int(row.get("_step", "0"))
        time_ms = round(float(row.get("_timestamp", "0")) * 1000)
        for key, text in row.items():
            if key not in _ROW_ITEMS:
                self.latest[key] = text
                self._value(key, text, step, time_ms)

    def _value(self, key: str, text: str, step: int, time_ms: int) -> None:
        try:
            self.gatherer.add(key, step, time_ms, float(text))
        except ValueError:
            self._other(key, json.loads(text), step, time_ms)

    def _other(self, key: str, value: Any, step: int, time_ms: int) -> None:
        if isinstance(value, dict) and "_type" not in value:
            for name, inner in value.items():
                self._other(f"{key}.{name}", inner, step, time_ms)
        elif isinstance(value, (bool, int, float)):
            self.gatherer.add(key, step, time_ms, float(value))
        else:
            self.gatherer.skipped[_kind(value)] += 1


def read_runs(path: Path) -> Iterator[ImportedRun]:
    """Reads every run below a folder, or one log.

    Raises:
        InvalidField: a file is no log of wandb's.
    """
    # "latest-run" is a link to one of the others.
    logs = dict.fromkeys(each.resolve() for each in files_below(path, lambda found: found.suffix == ".wandb"))
    for log in logs:
        found = _read_log(log)
        if found is not None:
            yield found


def _read_log(path: Path) -> ImportedRun | None:
    reading = _Reading()
    problems: list[str] = []
    if not path.stat().st_size:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
        for data in records(log, str(path), lambda at: problems.append(f"{path}: damaged at byte {at:,}")):
            try:
                reading.record(_Record.FromString(data))
            except (DecodeError, ValueError, OverflowError) as error:
                problems.append(f"{path}: a record cannot be read: {error}")
    run = reading.run
    if run is None:
        if reading.gatherer.columns():
            raise InvalidField(str(path), "holds points and does not say whose they are")
        return None
    started_ms = run.start_time.seconds * 1000 + run.start_time.nanos // 1_000_000
    return ImportedRun(
        id=own_id(_text(run.run_id)),
        columns=reading.gatherer.columns(),
        project=own_project(_text(run.project)),
        name=_text(run.display_name),
        config=reading.config.as_dict({}),
        summary=reading.summary.as_dict(reading.latest),
        tags=tuple(map(_text, run.tags)),
        notes=_text(run.notes),
        group=_text(run.group),
        job_type=_text(run.job_type),
        created_ms=started_ms,
        state=reading.state,
        attempt=max(run.start_time.seconds, 0) & 0xFFFFFFFF,
        skipped=+reading.gatherer.skipped,
        problems=tuple(problems),
    )


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return str(value["_type"])
    return "text" if isinstance(value, str) else "lists" if isinstance(value, list) else "null"


def _path(item: Any) -> _Path:
    return tuple(map(_text, item.nested_key)) or (_text(item.key),)


def _text(said: bytes) -> str:
    return said.decode(errors="replace")
