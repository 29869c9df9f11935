"""Manifests: entries, their checks, their digest. Pure.

The digest of a version is the SHA-256 of its canonical manifest: a JSON array of ``[path, size, sha256]`` by
path, no spaces, UTF-8. Two versions with the same files have the same digest, whatever their aliases say.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence

from runstream.errors import InvalidField
from runstream.names import path_problem
from runstream.v1 import artifact_pb2

MAX_ENTRIES = 10_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")


def check_entries(entries: Sequence[artifact_pb2.ManifestEntry], *, with_paths: bool) -> None:
    """Checks a manifest.

    Raises:
        InvalidField: naming the entry and what it cannot be.
    """
    if not 1 <= len(entries) <= MAX_ENTRIES:
        raise InvalidField("entries", f"must have 1 to {MAX_ENTRIES} files, not {len(entries)}")
    for index, entry in enumerate(entries):
        if not _SHA256.fullmatch(entry.sha256):
            raise InvalidField(f"entries[{index}].sha256", "must be 64 lower-case hex digits")
        if entry.md5 and not _MD5.fullmatch(entry.md5):
            raise InvalidField(f"entries[{index}].md5", "must be 32 lower-case hex digits")
        if with_paths:
            problem = path_problem(entry.path)
            if problem:
                raise InvalidField(f"entries[{index}].path", f"{entry.path!r} {problem}")
    paths = {entry.path for entry in entries}
    if with_paths and len(paths) != len(entries):
        raise InvalidField("entries", "paths must be distinct")


def digest(entries: Iterable[artifact_pb2.ManifestEntry]) -> str:
    """The digest of a version's files."""
    rows = sorted([entry.path, entry.size, entry.sha256] for entry in entries)
    return hashlib.sha256(json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
