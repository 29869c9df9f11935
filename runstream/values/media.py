"""The seam between rich values and the run that logs them: ``Value`` on one side, ``FileSink`` on the other."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypedDict

# What stands in a path for the first 20 hexadecimal digits of the content's SHA-256.
DIGEST = "*"
# A file name has at most 255 bytes; step, digest and suffix need up to 80.
_MAX_STEM_BYTES = 150
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff*?"<>|:\\]')


class FileEntry(TypedDict):
    """A file of the run: where it stands under the run's files, and what is in it."""

    path: str
    sha256: str
    size: int


class FileSink(Protocol):
    """Takes the bytes of rich values.

    ``path`` is relative, with ``/``; one ``*`` in it stands for the digest of the content, so that a file is
    read once, for its name and its copy together. Giving the same content and path again changes nothing.
    ``OSError`` means that the disk would not take it; nothing is left behind then.
    """

    def add_bytes(self, data: bytes, path: str, media_type: str, /) -> FileEntry:
        """Keeps bytes as a file."""
        ...

    def add_file(self, source: Path, path: str, media_type: str, /) -> FileEntry:
        """Keeps a copy of a file as it is now."""
        ...


class Value(ABC):
    """A rich value. A class of its own and no Protocol: figures and data frames also have a ``to_json``.

    Attributes:
        group: ``(_type, field)`` of a list of such values in one key, or None if they cannot be listed.
        fits_cell: whether it can stand in a cell of a table.
    """

    group: ClassVar[tuple[str, str] | None] = None
    fits_cell: ClassVar[bool] = True
    caption: str | None = None

    @abstractmethod
    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """The value as JSON, with ``_type``; its bytes go to ``files``.

        May be called again, for another key or step.

        Args:
            files: takes the bytes.
            key: key it is logged under, a part of file names.
            step: step it is logged at, likewise.

        Raises:
            InvalidField: a file it was made of has gone.
            OSError: ``files`` could not keep the bytes.
        """


def media_path(folder: str, key: str, step: int, suffix: str) -> str:
    """``media/FOLDER/KEY_STEP_*.SUFFIX``, the form that wandb gives its files, with the digest open.

    A key's slashes become folders. What some file system forbids (``..``, control characters, stars, quotes)
    becomes ``_``, and long parts are cut; two keys that then look alike still differ by the digest.
    """
    parts = [_UNSAFE.sub("_", part) for part in key.split("/")]
    parts = [_cut("_" if part in ("", ".", "..") else part) for part in parts]
    return f"media/{folder}/{'/'.join(parts)}_{step}_{DIGEST}.{suffix}"


def as_text(value: object) -> str:
    """A value's text as UTF-8 can hold it: lone surrogates become ``?``."""
    return str(value).encode(errors="replace").decode()


def as_caption(value: object | None) -> str | None:
    """A caption's text, or None."""
    return None if value is None else as_text(value)


def _cut(part: str) -> str:
    return part.encode()[:_MAX_STEM_BYTES].decode(errors="ignore")
