"""Nested data as JSON: a walk that ends, with a reason where it cannot go on."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.values.plain import NotPlain, plain


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: float
    inner: Any = None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(3), 3),
        (np.datetime64("2026-01-02T03:04:05.123456789", "ns"), "2026-01-02T03:04:05.123456"),
        (np.datetime64("NaT"), None),
        (pd.Series([1.5, np.nan]), [1.5, "NaN"]),
        (np.array(["2026-01-02"], "datetime64[D]"), ["2026-01-02T00:00:00"]),
        (np.timedelta64(1500, "ms"), 1.5),
        (datetime.timedelta(seconds=2), 2.0),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), "2026-01-02T00:00:00+00:00"),
        (pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 4), 0.25),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Point(1, Point(2)), {"x": 1, "inner": {"x": 2, "inner": None}}),
        (Path("/x"), "/x"),
        ({1: {None: (2,)}, np.int64(5): frozenset([1])}, {"1": {"None": [2]}, "5": [1]}),
        ("lone \ud800 surrogate", "lone ? surrogate"),
    ],
)
def test_what_json_has_no_word_for(value: Any, expected: Any) -> None:
    assert plain(value) == expected


def loop() -> Any:
    found: list[Any] = []
    found += [found, found]
    return found


def laughs() -> Any:
    found: Any = "ha"
    for _ in range(40):
        found = [found, found]
    return found


def deep() -> Any:
    found: Any = 1
    for _ in range(100_000):
        found = [found]
    return found


class Hostile(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no")


def endless_point() -> Any:
    found = Point(1)
    found.inner = Point(2, found)
    return found


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (loop(), "contains itself"),
        (laughs(), "has more than 1,000,000 parts"),
        (deep(), "is nested deeper than 50 levels"),
        (endless_point(), "is nested deeper than 50 levels"),
        (np.zeros(1_000_001), "has more than 1,000,000 parts"),
        (Hostile(a=1), "cannot be read: RuntimeError: no"),
        ([b"x"], "holds a bytes"),
        ([1j], "holds a complex"),
        (np.array([1j]), "holds a complex"),
        ([object()], "holds a object"),
        ({(1, 2): 3}, "has a key that is a tuple"),
        ([int], "holds a type"),
        (pd.Series([1, None], dtype="Int64"), "holds a NAType"),
        (iter([1]), "holds a list_iterator"),
    ],
)
def test_what_cannot_be_is_told_and_never_hangs(value: Any, message: str) -> None:
    with pytest.raises(NotPlain, match=message):
        plain(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_stays_what_it_is(value: Any) -> None:
    found = plain(value)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    if not any(0xD800 <= ord(character) < 0xE000 for character in repr(value)):
        assert found == value
