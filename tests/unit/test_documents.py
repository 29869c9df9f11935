"""Config and summary: any of the forms people pass, kept as JSON that loses as little as it can."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import enum
import json
import math
import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.documents import Document, to_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Colour(enum.Enum):
    RED = "red"


class IntColour(enum.IntEnum):
    RED = 1


@dataclasses.dataclass
class Config:
    lr: float
    sizes: tuple[int, ...]


def test_every_change_is_told_once_at_every_level() -> None:
    told: list[dict[str, Any]] = []
    document = Document(lambda changed: told.append(changed.as_dict()))
    document["a"] = 1
    document.b = 2
    document.update({"c": {"d": {"e": 3}}}, f=4)
    document.c.d.e = 5
    document["c"]["d"]["g"] = 6
    inner = document.c.d
    inner |= {"h": 7}
    assert document.setdefault("a", 9) == 1
    assert document.setdefault("i", 8) == 8
    assert document.pop("i") == 8
    assert document.pop("i", None) is None
    del document.c.d["e"]
    del document.b
    assert len(told) == 10
    assert document == told[-1] == {"a": 1, "c": {"d": {"g": 6, "h": 7}}, "f": 4}
    document.clear()
    assert told[-1] == {}
    with pytest.raises(AttributeError):
        _ = document.missing
    with pytest.raises(AttributeError):
        del document.missing
    with pytest.raises(KeyError):
        del document["missing"]


def test_a_section_is_a_dict_to_others_and_a_copy_is_nobodys_document() -> None:
    told: list[object] = []
    document = Document(told.append)
    document["a"] = {"b": [1, {"c": 2}]}
    assert isinstance(document["a"], dict)
    assert json.loads(json.dumps(document)) == {"a": {"b": [1, {"c": 2}]}} == {**document}
    for copied in (copy.deepcopy(document), pickle.loads(pickle.dumps(document)), document.as_dict()):
        assert type(copied) is type(copied["a"]) is dict
        copied["a"]["b"] = 0
    assert len(told) == 1


def test_what_is_put_in_is_copied() -> None:
    document = Document(lambda changed: None)
    given = {"b": 1}
    document["a"] = given
    document.a.b = 2
    assert given == {"b": 1}


def test_dots_in_names_are_no_levels() -> None:
    document = Document(lambda changed: None)
    document.update({"a.b": 1, "a": {"b": 2}})
    assert to_json(document) == {"a.b": 1, "a": {"b": 2}}
    assert (document["a.b"], document.a.b) == (1, 2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        ((1, "a"), [1, "a"]),
        ({3}, [3]),
        (Path("/x/y"), "/x/y"),
        (Config(0.1, (1,)), {"lr": 0.1, "sizes": [1]}),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        ({1: {None: 2}}, {"1": {"None": 2}}),
        (Decimal("1.5"), 1.5),
        (Decimal("NaN"), "NaN"),
        (1 + 2j, "(1+2j)"),
        (10**30, str(10**30)),
        pytest.param(10**5000, "<int>", id="huge"),
        (Colour.RED, "red"),
        (IntColour.RED, 1),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        ("lone \ud800 surrogate", "lone ? surrogate"),
    ],
)
def test_what_json_has_no_word_for(value: object, expected: object) -> None:
    assert to_json(value) == expected


def test_odd_objects_keep_their_text_and_are_told_of() -> None:
    told: list[tuple[str, str]] = []
    found = to_json({"a": {"model": object()}}, on_odd=lambda path, kind: told.append((path, kind)))
    assert told == [("a.model", "object")]
    assert found["a"]["model"].startswith("<object object")


def test_loops_end_however_many_ways_lead_round() -> None:
    loop: dict[str, Any] = {}
    loop |= {"one": loop, "two": loop, "three": [loop, loop]}
    document = Document(lambda changed: None)
    document["loop"] = loop
    assert len(json.dumps(to_json(loop))) < 1000
    assert len(json.dumps(to_json(document))) < 1000
    deep: Any = 0
    for _ in range(1000):
        deep = {"deeper": deep}
    document["deep"] = deep
    assert json.dumps(to_json(document))


class _Hostile:
    def __str__(self) -> str:
        raise RuntimeError

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class _HostileMapping(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError


def test_objects_whose_own_methods_fail_are_survived() -> None:
    document = Document(lambda changed: None)
    document.update({"a": _Hostile(), "b": _HostileMapping(x=1), "c": [_Hostile()]})
    assert set(to_json(document)) == {"a", "b", "c"}
    assert to_json(_Hostile()) == "<_Hostile>"


@given(JSON)
def test_json_stays_what_it_is(value: object) -> None:
    found = to_json(value)
    assert json.loads(json.dumps(found)) == found
    if not _holds_non_finite(value):
        assert found == _with_replaced_surrogates(value)


def _holds_non_finite(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_holds_non_finite, value.values()))
    return isinstance(value, list) and any(map(_holds_non_finite, value))


def _with_replaced_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {key: _with_replaced_surrogates(item) for key, item in value.items()}
    return [_with_replaced_surrogates(item) for item in value] if isinstance(value, list) else value
