"""History values that are no numbers: what a row of them may hold, and what kind each is. Pure.

Client and server must count a row alike, since each of its values is a point in the writer's account
(sent = stored + refused); so both count here.
"""

from __future__ import annotations

import json
import math
import re
import sys
from typing import Any

MAX_ROW_BYTES = 4 << 20
MAX_ROW_KEYS = 10_000
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,63}")
_PLAIN: dict[type, str] = {type(None): "null", bool: "bool", int: "number", float: "number", str: "string"}


def read_row(text: str) -> dict[str, Any]:
    """The values of a HistoryRow's JSON, by key. The words NaN and Infinity, no JSON, become strings.

    Raises:
        ValueError: it is no JSON object, or too large.
    """
    size = len(text.encode(errors="replace"))
    if size > MAX_ROW_BYTES:
        raise ValueError(f"{size} bytes of JSON are over the limit of {MAX_ROW_BYTES}")
    try:
        row = json.loads(text, parse_constant=str, parse_int=_integer)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(row, dict):
        raise ValueError("it is no object")
    return row


def row_points(text: str) -> int:
    """How many points a HistoryRow is: its number of keys, or 1 if it cannot be read."""
    try:
        return len(read_row(text))
    except ValueError:
        return 1


def type_of(value: object) -> str:
    """The type of a value: a JSON type, or the ``_type`` of media, with ``[]`` behind it for a list of them."""
    plain = _PLAIN.get(type(value))
    if plain is not None:
        return plain
    if isinstance(value, dict):
        return _media_type(value) or "object"
    media = {_media_type(item) for item in value} if isinstance(value, list) else set()
    (only,) = media if len(media) == 1 else (None,)
    return f"{only}[]" if only else "list"


def media_paths(value: object) -> list[str]:
    """The paths of the files that a media value refers to, alone or as a list; empty for others.

    Lists are JSON lists of media, or one object with ``filenames``, such as wandb's ``images/separated``.
    """
    if isinstance(value, dict) and _media_type(value) and isinstance(value.get("filenames"), list):
        paths = value["filenames"]
    else:
        items = value if isinstance(value, list) else [value]
        paths = [item.get("path") if isinstance(item, dict) and _media_type(item) else None for item in items]
    return paths if all(isinstance(path, str) for path in paths) else []


def _integer(digits: str) -> float:
    """A whole number, or infinity for one that no reader could hold; as JSON's own floats that are too large."""
    return int(digits) if len(digits) <= sys.float_info.max_10_exp else math.inf


def _media_type(value: object) -> str | None:
    kind = value.get("_type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) and _TYPE.fullmatch(kind) else None
