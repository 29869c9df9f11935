"""Names of entities, projects, runs and keys: their limits, and the numbers ClickHouse knows them by.

Ids are hashes of names, not allocated numbers, so every replica of every service computes the same id
without asking anybody. With 64 bits, a billion runs in one project collide with a chance of 3 %; two
runs of one project must collide for points to mix, as the project's id stands before the run's.
"""

from __future__ import annotations

import hashlib
import re

MAX_NAME_CHARS = 128
MAX_KEY_BYTES = 512
MAX_PATH_BYTES = 1024

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def name_problem(name: str) -> str | None:
    """Why a string cannot be an entity, project or run name, or None if it can."""
    if not name:
        return "is empty"
    if len(name) > MAX_NAME_CHARS:
        return f"has {len(name)} characters, the limit is {MAX_NAME_CHARS}"
    if "/" in name:
        return "contains '/'"
    if name in (".", "..", "-"):
        return f"is {name!r}, which is reserved"
    if _CONTROL.search(name) or not _encodable(name):
        return "contains control characters"
    return None


def has_control_characters(key: str) -> bool:
    """Whether a metric key holds control characters, line separators or lone surrogates."""
    return _CONTROL.search(key) is not None or not _encodable(key)


def path_problem(path: str) -> str | None:
    """Why a string cannot be the path of a file in a run or an artifact, or None if it can."""
    if not path or len(path.encode(errors="replace")) > MAX_PATH_BYTES:
        return f"must have 1 to {MAX_PATH_BYTES} bytes"
    if has_control_characters(path) or "\\" in path:
        return "must not contain control characters or backslashes"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "must be relative, without empty parts, '.' or '..'"
    return None


def project_id(entity: str, project: str) -> int:
    """The project's number: the first 64 bits of the SHA-256 of ``entity/project``."""
    return _hash64(f"{entity}/{project}")


def run_id(entity: str, project: str, run: str) -> int:
    """The run's number: the first 64 bits of the SHA-256 of ``entity/project/run``."""
    return _hash64(f"{entity}/{project}/{run}")


def _hash64(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
