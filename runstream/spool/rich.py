"""What a row says that is no number: files beside the spool, then the records that name them.

Values encode themselves when they are made, so little happens under the writer's lock; what a file needs besides
is one copy. The record of a file stands before the row that names it, and the forwarder sends in that order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runstream.errors import RunstreamError
from runstream.values.files import SpoolFiles
from runstream.values.media import FileEntry, Value

# The wire takes 4 MiB and 10,000 keys a row; of a value, leaf.py takes 1 MiB.
_MAX_JSON_CHARS = 1 << 20
_MAX_KEYS = 5_000

AppendRecord = Callable[[Mapping[str, object]], bool]
Refuse = Callable[[str, str, str, int], None]


class NoRoom(OSError):
    """The spool would not take a record."""


class RichRows:
    """The rich values of one writer.

    Args:
        directory: the writer's directory.
        append_record: appends a record to the spool; False if there is no room.
        refuse: counts values that are not kept: reason, field, message, count.
    """

    def __init__(self, directory: Path, append_record: AppendRecord, refuse: Refuse) -> None:
        self._files = SpoolFiles(directory)
        self._append_record = append_record
        self._refuse = refuse

    def append(self, rich: Mapping[str, Any], step: int, time_ms: int) -> tuple[int, int]:
        """Appends the rich values of a row; returns how many were written, and how many found no room.

        The rest was refused.
        """
        written = lost = 0
        row: dict[str, Any] = {}
        for key, value in rich.items():
            try:
                row[key] = value.to_json(self, key, step) if isinstance(value, Value) else value
            except OSError:
                lost += 1
            except RunstreamError as error:
                self._refuse("NOT_A_NUMBER", key, str(error), 1)
            except Exception as error:  # of a class that is not ours
                self._refuse("NOT_A_NUMBER", key, f"cannot be encoded: {type(error).__name__}: {error}"[:500], 1)
        for count, text in _parts(row):
            said = {"step": str(step), "timestampMs": str(time_ms), "json": text}
            if self._append_record({"history": said}):
                written += count
            else:
                lost += count
        return written, lost

    def add_bytes(self, data: bytes, path: str, media_type: str, /) -> FileEntry:
        """Keeps bytes as a file of the run; see ``FileSink``."""
        return self._record(self._files.add_bytes(data, path, media_type), media_type)

    def add_file(self, source: Path, path: str, media_type: str, /) -> FileEntry:
        """Keeps a copy of a file as it is now; see ``FileSink``."""
        return self._record(self._files.add_file(source, path, media_type), media_type)

    def sync(self) -> None:
        """Makes the files survive a power cut."""
        self._files.sync()

    def _record(self, entry: FileEntry, media_type: str) -> FileEntry:
        said = {"path": entry["path"], "size": str(entry["size"]), "sha256": entry["sha256"], "mediaType": media_type}
        if not self._append_record({"file": said}):
            raise NoRoom(28, "no room for the record of a file")
        return entry


def _parts(row: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """The row as JSON objects that the wire takes: how many keys, and the text."""
    part: list[str] = []
    size = 0
    for key, value in row.items():
        text = f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
        if part and (size + len(text) > _MAX_JSON_CHARS or len(part) == _MAX_KEYS):
            yield len(part), f"{{{', '.join(part)}}}"
            part, size = [], 0
        part.append(text)
        size += len(text)
    if part:
        yield len(part), f"{{{', '.join(part)}}}"
