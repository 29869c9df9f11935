"""Installed packages as ``name==version``, read from the names of their folders.

``importlib.metadata`` would open a file a package: 300 of them are half a second of a training process's
interpreter, their folders' names 2 ms.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

_SEPARATORS = re.compile(r"[-_.]+")
_HEADERS_BYTES = 4096


def installed(paths: Iterable[str]) -> list[str]:
    """Returns the packages found along a module path, by name; of two of one name the first one counts."""
    found: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        try:
            names = sorted(os.listdir(path or "."))
        except OSError:  # a zip file, or not there
            continue
        for entry in names:
            stem, _, kind = entry.rpartition(".")
            if kind not in ("dist-info", "egg-info"):
                continue
            name, version = _split(stem) or _read(os.path.join(path or ".", entry))
            if name:
                found.setdefault(_SEPARATORS.sub("-", name).lower(), f"{name}=={version}" if version else name)
    return [found[name] for name in sorted(found)]


def _split(stem: str) -> tuple[str, str] | None:
    """``name-1.0`` or ``name-1.0-py3.11``; a folder of a package under development has no version."""
    name, dash, rest = stem.partition("-")
    version = rest.split("-py", 1)[0]
    return (name, version) if dash and version[:1].isdigit() else None


def _read(path: str) -> tuple[str, str]:
    for name in (os.path.join(path, "METADATA"), os.path.join(path, "PKG-INFO"), path):
        try:
            with open(name, encoding="utf-8", errors="replace") as file:
                text = file.read(_HEADERS_BYTES)
        except OSError:
            continue
        headers = dict(line.split(": ", 1) for line in text.split("\n\n", 1)[0].splitlines() if ": " in line)
        return headers.get("Name", ""), headers.get("Version", "")
    return "", ""
