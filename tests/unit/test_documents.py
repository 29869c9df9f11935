"""Config and summary: any of the forms people pass, kept as JSON that loses as little as it can."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.documents import Document, as_mapping, to_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@dataclasses.dataclass
class Config:
    lr: float
    sizes: tuple[int, ...]


def test_every_change_is_told_once() -> None:
    told: list[dict[str, Any]] = []
    document = Document(lambda changed: told.append(changed.as_dict()))
    document["a"] = 1
    document.b = 2
    document.update({"c": 3}, d=4)
    document.setdefaults({"a": 9, "e": 5})
    del document["b"]
    assert [len(each) for each in told] == [1, 2, 4, 5, 4]
    assert dict(document) == {"a": 1, "c": 3, "d": 4, "e": 5}
    assert document.a == 1
    with pytest.raises(AttributeError):
        _ = document.missing


def test_forms_of_a_config() -> None:
    assert as_mapping(None) == {}
    assert as_mapping({"a": 1}) == {"a": 1}
    assert as_mapping(argparse.Namespace(a=1)) == {"a": 1}
    assert as_mapping(Config(0.1, (1, 2))) == {"lr": 0.1, "sizes": (1, 2)}
    with pytest.raises(TypeError, match="config must be a mapping"):
        as_mapping([1])


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


def test_a_loop_ends() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    assert json.dumps(to_json(loop))


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
