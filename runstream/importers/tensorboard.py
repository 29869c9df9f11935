"""TensorBoard's event files: a folder with some is a run, called by its path below the given one.

Scalars become points, of both kinds: plain values and tensors of one element. What the hparams plugin wrote becomes
config, and a failed session a failed run. Steps that a restarted writer says it will write again (``purge_step``) are
forgotten, as TensorBoard does. Everything else is skipped and counted by its plugin or kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import struct_pb2
from google.protobuf.message import DecodeError

from runstream.importers.event_files import Damaged, records
from runstream.importers.imported import Gatherer, ImportedRun, State, files_below, source_id
from runstream.importers.messages import message_types
from runstream.importers.tensors import SHAPE_FIELDS, TENSOR_FIELDS, scalar

_TYPES = message_types(
    "runstream.importers.tensorboard",
    {
        "Event": "wall_time double 1, step int64 2, summary Summary 5, session_log SessionLog 7",
        "SessionLog": "status int32 1",
        "Summary": "value* Value 1",
        "Value": "tag bytes 1, simple_value float 2, histo bytes 5, image bytes 4, audio bytes 6, tensor Tensor 8, "
        "metadata Metadata 9",
        "Metadata": "plugin_data PluginData 1",
        "PluginData": "plugin_name bytes 1, content bytes 2",
        "Tensor": TENSOR_FIELDS,
        **SHAPE_FIELDS,
        "HParams": "session_start SessionStart 3, session_end SessionEnd 4",
        "SessionStart": "hparams* HParam 1, group_name bytes 4, start_time_secs double 5",
        "HParam": "key bytes 1, value bytes 2",
        "SessionEnd": "status int32 1",
    },
)
_Event, _HParams = _TYPES["Event"], _TYPES["HParams"]
_SESSION_START = 1
_STATES: dict[int, State] = {2: "failed"}


class _Reading:
    """A run being read, over all its files."""

    def __init__(self) -> None:
        self.gatherer = Gatherer()
        self.config: dict[str, Any] = {}
        self.group = ""
        self.state: State = "finished"
        self.first_time: float | None = None
        self.problems: list[str] = []
        self._plugins: dict[bytes, str] = {}

    def file(self, path: Path) -> None:
        with path.open("rb") as file:
            try:
                for data in records(file):
                    self._event(_Event.FromString(data))
            except (Damaged, DecodeError) as error:
                self.problems.append(f"{path}: {error}")

    def _event(self, event: Any) -> None:
        if self.first_time is None:
            self.first_time = event.wall_time
        if event.session_log.status == _SESSION_START:
            forgotten = self.gatherer.cut(event.step)
            if forgotten:
                self.gatherer.skipped["before a restart that wrote these steps again"] += forgotten
        time_ms = round(event.wall_time * 1000) if math.isfinite(event.wall_time) else 0
        for value in event.summary.value:
            # A writer may say a tag's plugin only with its first value.
            if value.metadata.plugin_data.plugin_name:
                self._plugins[value.tag] = value.metadata.plugin_data.plugin_name.decode(errors="replace")
            self._value(value, self._plugins.get(value.tag, ""), event.step, time_ms)

    def _value(self, value: Any, plugin: str, step: int, time_ms: int) -> None:
        number: float | None = None
        if plugin == "hparams":
            self._hparams(value.metadata.plugin_data.content)
            return
        if value.HasField("simple_value"):
            number = value.simple_value
        elif value.HasField("tensor") and plugin in ("", "scalars"):
            number = scalar(value.tensor)
        if number is None:
            kinds = (name for name in ("histo", "image", "audio", "tensor") if value.HasField(name))
            self.gatherer.skipped[plugin or next(kinds, "other")] += 1
            return
        self.gatherer.add(value.tag.decode(errors="replace"), step, time_ms, number)

    def _hparams(self, content: bytes) -> None:
        said = _HParams.FromString(content)
        for entry in said.session_start.hparams:
            value = struct_pb2.Value.FromString(entry.value)
            kind = value.WhichOneof("kind")
            if kind in ("number_value", "string_value", "bool_value"):
                self.config[entry.key.decode(errors="replace")] = getattr(value, kind)
        self.group = said.session_start.group_name.decode(errors="replace") or self.group
        self.state = _STATES.get(said.session_end.status, self.state)


def read_runs(path: Path) -> Iterator[ImportedRun]:
    """Reads every run of a log folder, or one event file."""
    folders: dict[Path, list[Path]] = {}
    for file in files_below(path, lambda found: "tfevents" in found.name):
        folders.setdefault(file.parent, []).append(file)
    for folder, files in folders.items():
        name = str(folder.relative_to(path)) if path.is_dir() else "."
        reading = _Reading()
        for file in sorted(files, key=lambda each: each.name):  # the name begins with the time
            reading.file(file)
        if reading.first_time is None and not reading.problems:
            continue
        first_time = reading.first_time or 0.0
        shown = folder.resolve().name if name == "." else name
        yield ImportedRun(
            # Log folders move, and many have a run "train": the first event's microsecond tells them apart.
            id=source_id(shown, "tensorboard", name, first_time),
            columns=reading.gatherer.columns(),
            name=shown,
            config=reading.config,
            group=reading.group,
            created_ms=round(first_time * 1000),
            state=reading.state,
            skipped=reading.gatherer.skipped,
            problems=tuple(reading.problems),
        )
