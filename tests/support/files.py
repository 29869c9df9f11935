"""A FileSink that keeps files in memory, by path."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

from runstream.values.media import DIGEST, FileEntry, Value


class MemoryFiles:
    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.media_types: dict[str, str] = {}

    def add_bytes(self, data: bytes, path: str, media_type: str, /) -> FileEntry:
        sha256 = hashlib.sha256(data).hexdigest()
        path = path.replace(DIGEST, sha256[:20])
        self.content[path], self.media_types[path] = data, media_type
        return {"path": path, "sha256": sha256, "size": len(data)}

    def add_file(self, source: Path, path: str, media_type: str, /) -> FileEntry:
        return self.add_bytes(source.read_bytes(), path, media_type)

    def of(self, entry: dict[str, Any]) -> bytes:
        """The content of a value's file."""
        return self.content[entry["path"]]

    def json_of(self, entry: dict[str, Any]) -> Any:
        """The content of a JSON file; fails for the NaN that JSON has not."""
        return json.loads(self.of(entry), parse_constant=lambda name: 1 / 0)

    def opened(self, entry: dict[str, Any]) -> io.BytesIO:
        """The content as a file."""
        return io.BytesIO(self.of(entry))


def logged(value: Value, key: str = "key", step: int = 0) -> tuple[dict[str, Any], MemoryFiles]:
    """What a value becomes: its JSON, which must be JSON, and its files."""
    files = MemoryFiles()
    entry = value.to_json(files, key, step)
    json.dumps(entry, ensure_ascii=False).encode()
    assert json.loads(json.dumps(entry, allow_nan=False)) == entry
    return entry, files
