"""Documents of a run: JSON that every reader can take, and the form of it that ClickHouse filters by. Pure."""

from __future__ import annotations

import json
import math
from typing import Any

from runstream.documents import MAX_DEPTH


def filterable(text: str) -> str:
    """A document in the form of ClickHouse's JSON column.

    Raises:
        ValueError: it is no JSON object, or readers could not hold it.
    """
    try:
        parsed: Any = json.loads(text, parse_constant=_no_constant, parse_int=_integer, parse_float=_real)
        if not isinstance(parsed, dict):
            raise ValueError("it is no object")
        if not is_shallow(text, parsed):
            raise ValueError(f"it is nested over {MAX_DEPTH} deep")
        made = json.dumps(_one_value_a_path(parsed, "", set()), ensure_ascii=False)
        made.encode()  # a lone surrogate, written as an escape, has no UTF-8
    except (OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return made


def is_shallow(text: str, parsed: Any) -> bool:
    """Whether readers can take it: protobuf's parsers go 100 messages deep, which are 33 JSON objects."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return True  # without looking at 4 MiB of it again
    level = [parsed]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return True
    return False


def _one_value_a_path(value: Any, path: str, seen: set[str]) -> Any:
    """``{"a.b": 1, "a": {"b": 2}}`` says one path of a JSON column twice, which ClickHouse refuses: the first stays.

    The column is for filters; what is given back is the text as it came.
    """
    if isinstance(value, list):
        return [_one_value_a_path(item, "", set()) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        inner = path + key
        if not isinstance(item, dict):
            if inner in seen:
                continue
            seen.add(inner)
        kept[key] = _one_value_a_path(item, inner + ".", seen)
    return kept


def _integer(digits: str) -> int:
    number = int(digits)
    float(number)  # raises for what no reader could hold
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise OverflowError(f"{digits[:40]} is no 64-bit float")
    return number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
