"""``runstream.Molecule``."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from runstream.errors import InvalidField
from runstream.values.media import FileSink, Value, as_caption, media_path
from runstream.values.sources import Source, add_source, existing, is_stream, known_suffix, read_all


class Molecule(Value):
    """A molecule's structure in one of the common file formats.

    Args:
        data_or_path: a path whose suffix is one of ``SUPPORTED_TYPES``, or a file opened for reading.
        caption: text below the viewer.
        file_type: the format of an open file.

    Raises:
        InvalidField: there is no such file, or its format is not supported.
    """

    SUPPORTED_TYPES: ClassVar[frozenset[str]] = frozenset(
        ("pdb", "pqr", "mmcif", "mcif", "cif", "sdf", "sd", "gro", "mol2", "mmtf")
    )
    group: ClassVar[tuple[str, str] | None] = ("molecule", "molecules")

    def __init__(self, data_or_path: Any, caption: str | None = None, file_type: str | None = None) -> None:
        self.caption = as_caption(caption)
        self._source: Source
        if isinstance(data_or_path, (str, os.PathLike)):
            self._source = existing(data_or_path, "data_or_path")
            self.format = known_suffix(self._source.name, self.SUPPORTED_TYPES, "data_or_path")
        elif is_stream(data_or_path):
            self.format = known_suffix(file_type or "", self.SUPPORTED_TYPES, "file_type")
            self._source = read_all(data_or_path)
        else:
            raise InvalidField("data_or_path", f"must be a path or an open file, not {type(data_or_path).__name__}")

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """``{"_type": "molecule-file", "path", "sha256", "size", "format"}``; ``caption`` if there is one."""
        path = media_path("molecule", key, step, self.format)
        caption = {} if self.caption is None else {"caption": self.caption}
        entry = add_source(files, self._source, path, "application/octet-stream")
        return {"_type": "molecule-file", **entry, "format": self.format, **caption}
