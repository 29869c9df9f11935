"""Where a value's bytes come from: memory, or a file that is copied when the value is logged."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runstream.errors import InvalidField
from runstream.values.media import FileEntry, FileSink

Source = bytes | Path


def add_source(files: FileSink, source: Source, path: str, media_type: str) -> FileEntry:
    """Gives bytes or a file to ``files``; raises as ``FileSink`` does."""
    if isinstance(source, Path):
        return files.add_file(source, path, media_type)
    return files.add_bytes(source, path, media_type)


def existing(path: str | os.PathLike[str], field: str) -> Path:
    """The absolute path of a file.

    Raises:
        InvalidField: there is none.
    """
    found = Path(path)
    if not found.is_file():
        raise InvalidField(field, f"there is no file {str(path)!r}")
    return found.absolute()


def is_stream(value: object) -> bool:
    """Whether a value can be read like a file."""
    return callable(getattr(value, "read", None))


def read_all(stream: Any) -> bytes:
    """All of a file-like object, from its start where it can go back there; text as UTF-8."""
    if callable(getattr(stream, "seek", None)):
        stream.seek(0)
    data = stream.read()
    return data.encode() if isinstance(data, str) else bytes(data)


def known_suffix(name: str, allowed: Iterable[str], field: str) -> str:
    """Which of the suffixes a file name has, lower case, without the dot before it.

    Raises:
        InvalidField: none of them.
    """
    allowed = sorted(allowed)
    found = next((suffix for suffix in allowed if f".{name}".lower().endswith(f".{suffix}")), None)
    if found is None:
        raise InvalidField(field, f"must be one of {', '.join(allowed)}, not {name!r}")
    return found
