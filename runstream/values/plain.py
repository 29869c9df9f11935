"""Nested data in the terms of JSON, within a budget. Pure; ends for whatever it is given."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any

from runstream.values.media import as_text

# Deeper than this no chart reads; a row with more parts than this is no row.
MAX_DEPTH = 50
MAX_PARTS = 1_000_000


class NotPlain(Exception):
    """A value, or a part of it, that JSON cannot hold."""


def number_or_text(value: float) -> float | str:
    """A float as JSON has it: itself, or the text of what JSON has no number for."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def plain(value: object, *, non_finite: Callable[[float], Any] = number_or_text) -> Any:
    """A value as JSON types, a copy.

    Numbers stay; NaN and infinities become the texts ``NaN``, ``Infinity``, ``-Infinity``; dates and paths become
    text (ISO 8601), durations seconds, enums their values, dataclasses their fields, tuples and sets lists, keys
    text, arrays and tensors nested lists.

    Args:
        value: anything.
        non_finite: what NaN and infinities become.

    Raises:
        NotPlain: it holds something else, holds itself, is deeper than 50 levels or has over a million parts.
    """
    try:
        return _Walk(non_finite).of(value, 0)
    except NotPlain:
        raise
    except Exception as error:  # of a class that is not ours
        raise NotPlain(f"cannot be read: {type(error).__name__}: {error}") from error


class _Walk:
    """One walk: what it has room for, and which containers it is inside of."""

    def __init__(self, non_finite: Callable[[float], Any]) -> None:
        self._room = MAX_PARTS
        self._inside: set[int] = set()
        self._non_finite = non_finite

    def of(self, value: Any, depth: int) -> Any:
        self._room -= 1
        if self._room < 0:
            raise NotPlain(f"has more than {MAX_PARTS:,} parts")
        if isinstance(value, Enum):  # before int and str, of which it may be one too
            value = value.value
        if value is None or value is True or value is False:
            return value
        if isinstance(value, (str, PurePath)):
            return as_text(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, (float, Decimal, Fraction, datetime.timedelta)):
            number = value.total_seconds() if isinstance(value, datetime.timedelta) else float(value)
            return number if math.isfinite(number) else self._non_finite(number)
        if isinstance(value, (datetime.date, datetime.time)):
            return value.isoformat()
        if isinstance(value, (Mapping, list, tuple, set, frozenset)):
            return self._container(value, depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._container(
                {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, depth
            )
        if _to_list(value) is not None and not isinstance(value, type):
            return self._of_array(value, depth)
        raise NotPlain(f"holds a {type(value).__name__}")

    def _container(self, value: Any, depth: int) -> Any:
        if id(value) in self._inside:
            raise NotPlain("contains itself")
        if depth >= MAX_DEPTH:
            raise NotPlain(f"is nested deeper than {MAX_DEPTH} levels")
        self._inside.add(id(value))
        try:
            if isinstance(value, Mapping):
                return {_key(key): self.of(item, depth + 1) for key, item in value.items()}
            return [self.of(item, depth + 1) for item in value]
        finally:
            self._inside.discard(id(value))

    def _of_array(self, value: Any, depth: int) -> Any:
        if _size(value) > self._room:  # before a list of them is made
            raise NotPlain(f"has more than {MAX_PARTS:,} parts")
        kind = getattr(getattr(value, "dtype", None), "kind", "")
        if type(value).__module__ == "numpy" and (kind in ("b", "i", "u") or (kind == "f" and _is_finite(value))):
            self._room -= _size(value)
            return value.tolist()  # JSON as it is: no need to look at each; a series may miss some
        unit = {"M": "datetime64[us]", "m": "timedelta64[us]"}.get(kind)
        found = _to_list(value.astype(unit) if unit else value)()  # nanoseconds would come as bare integers
        if type(found) is type(value):
            raise NotPlain(f"holds a {type(value).__name__}")
        return self.of(found, depth + 1)


def _to_list(value: Any) -> Any:
    """How arrays, tensors and scalars of numpy, torch and jax, and series, become lists; None if it is none."""
    found = getattr(value, "tolist", None) or getattr(value, "to_list", None)
    return found if callable(found) else None


def _is_finite(array: Any) -> bool:
    import numpy as np

    return bool(np.isfinite(array).all())


def _size(array: Any) -> int:
    size = getattr(array, "size", 0)
    return size if isinstance(size, int) else 0  # torch has a method of this name


def _key(key: object) -> str:
    if isinstance(key, str):
        return as_text(key)
    if key is None or isinstance(key, (bool, int, float)):
        return str(key)
    item = getattr(key, "item", None)
    if callable(item) and not isinstance(key, type):
        return str(item())
    raise NotPlain(f"has a key that is a {type(key).__name__}")
