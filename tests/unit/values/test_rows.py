"""A row taken apart: every value is a number, a rich value or a refusal with a reason, whatever is given."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
from collections import OrderedDict, UserDict, defaultdict
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import PIL.Image
import plotly.graph_objects
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tensors import Tensor

from runstream.values.group import Group
from runstream.values.histogram import Histogram
from runstream.values.image import Image
from runstream.values.media import Value
from runstream.values.plotly import Plotly
from runstream.values.rows import Refusal, split
from runstream.values.table import Table

matplotlib.use("agg")
PIXELS = np.zeros((2, 2, 3), np.uint8)


class Level(enum.IntEnum):
    HIGH = 3


class Colour(enum.Enum):
    RED = "red"


class Name(enum.StrEnum):
    LOSS = "loss"


@dataclasses.dataclass
class Scores:
    loss: float
    parts: Any = None


class Metric:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __float__(self) -> float:
        if isinstance(self.value, Exception):
            raise self.value
        return float(self.value)


NUMBERS: dict[str, tuple[Any, float]] = {
    "float": (0.5, 0.5),
    "nan": (math.nan, math.nan),
    "infinity": (-math.inf, -math.inf),
    "int": (3, 3.0),
    "bool": (True, 1.0),
    "int past float's precision": ((1 << 53) + 1, 2.0**53),
    "largest": (int(1.7e308), 1.7e308),
    "float16": (np.float16(0.5), 0.5),
    "float32": (np.float32(0.1), float(np.float32(0.1))),
    "float64": (np.float64(0.1), 0.1),
    "longdouble": (np.longdouble("0.5"), 0.5),
    "numpy nan": (np.float32("nan"), math.nan),
    **{
        f"numpy {kind.__name__}": (kind(5), 5.0)
        for kind in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
    },
    "numpy bool": (np.bool_(False), 0.0),
    "array of none": (np.array(2.5), 2.5),
    "array of one": (np.array([[7]]), 7.0),
    "numpy duration": (np.timedelta64(1500, "ms"), 1.5),
    "duration": (datetime.timedelta(minutes=1), 60.0),
    "tensor": (Tensor(2.5, on_graph=True, on_gpu=True), 2.5),
    "tensor of one": (Tensor([[2]]), 2.0),
    "decimal": (Decimal("1.5"), 1.5),
    "signalling decimal": (Decimal("sNaN"), math.nan),
    "infinite decimal": (Decimal("-Infinity"), -math.inf),
    "fraction": (Fraction(1, 4), 0.25),
    "int enum": (Level.HIGH, 3.0),
    "object with __float__": (Metric(1.5), 1.5),
    "series of one": (pd.Series([4]), 4.0),
    "pandas duration": (pd.Timedelta("2s"), 2.0),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str) -> None:
    value, expected = NUMBERS[name]
    found = split({"key": value})
    assert (found.rich, found.refusals) == ({}, [])
    assert type(found.numbers["key"]) is float
    np.testing.assert_equal(found.numbers["key"], expected)


JSON_VALUES: dict[str, tuple[Any, Any]] = {
    "text": ("hello", "hello"),
    "empty text": ("", ""),
    "number as text": ("1.5", "1.5"),
    "unicode": ("损失 🚀", "损失 🚀"),
    "surrogate": ("\ud800", "?"),
    "numpy text": (np.str_("x"), "x"),
    "enum": (Colour.RED, "red"),
    "None": (None, None),
    "date": (datetime.date(2026, 1, 2), "2026-01-02"),
    "datetime": (datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), "2026-01-02T00:00:00+00:00"),
    "numpy time": (np.datetime64("2026-01-02"), "2026-01-02T00:00:00"),
    "pandas time": (pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
    "list": ([1, "a", None, {"b": (2,)}], [1, "a", None, {"b": [2]}]),
    "empty list": ([], []),
    "tuple": ((1.5, math.nan), [1.5, "NaN"]),
    "set": ({3}, [3]),
    "short array": (np.arange(3), [0, 1, 2]),
    "empty array": (np.array([]), []),
    "short tensor": (Tensor([1.0, 2.0]), [1.0, 2.0]),
    "texts": (np.array(["a"] * 40), ["a"] * 40),
    "media of wandb": ({"_type": "histogram", "values": [1], "bins": [0, 1]},) * 2,
}


@pytest.mark.parametrize("name", JSON_VALUES)
def test_values_of_json(name: str) -> None:
    value, expected = JSON_VALUES[name]
    found = split({"key": value})
    assert (found.numbers, found.refusals) == ({}, [])
    assert found.rich == {"key": expected}
    json.dumps(found.rich, allow_nan=False)


def test_rich_values_and_what_stands_for_them() -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    pyplot.close(figure)
    image = Image(PIXELS)
    given: dict[str, tuple[Any, type[Value]]] = {
        "image": (image, Image),
        "pil": (PIL.Image.fromarray(PIXELS), Image),
        "figure": (figure, Image),
        "axes": (axes, Image),
        "plotly": (plotly.graph_objects.Figure(), Plotly),
        "frame": (pd.DataFrame({"a": [1]}), Table),
        "images": ([image, image], Group),
        "figures": ((figure, figure), Group),
        "weights": (np.arange(33), Histogram),
        "tensor": (Tensor(np.zeros((4, 9)), on_graph=True, on_gpu=True), Histogram),
    }
    found = split({key: value for key, (value, _) in given.items()})
    assert (found.numbers, found.refusals) == ({}, [])
    assert {key: type(value) for key, value in found.rich.items()} == {key: kind for key, (_, kind) in given.items()}
    assert found.rich["image"] is image
    assert len(found.rich["weights"].histogram) == 32


REFUSED: dict[str, tuple[Any, str, str]] = {
    "bytes": (b"x", "NOT_A_NUMBER", "value is bytes: decode them, or log a file or an Image"),
    "numpy bytes": (np.bytes_(b"x"), "NOT_A_NUMBER", "value is bytes: decode them, or log a file or an Image"),
    "complex": (1j, "NOT_A_NUMBER", "value is complex: log its .real and .imag"),
    "numpy complex": (np.complex64(1j), "NOT_A_NUMBER", "value is complex: log its .real and .imag"),
    "complexes": (np.zeros(99, complex), "NOT_A_NUMBER", "value holds a complex"),
    "huge int": (10**400, "OUT_OF_RANGE", "value does not fit a 64-bit float"),
    "huge decimal": (Decimal("1e400"), "OUT_OF_RANGE", "value does not fit a 64-bit float"),
    "huge fraction": (Fraction(10**400), "OUT_OF_RANGE", "value does not fit a 64-bit float"),
    "huge longdouble": (np.longdouble("1e4000"), "OUT_OF_RANGE", "value does not fit a 64-bit float"),
    "object": (object(), "NOT_A_NUMBER", "value must be a number, text or a rich value, not object"),
    "type": (int, "NOT_A_NUMBER", "value must be a number, text or a rich value, not type"),
    "generator": (iter([1]), "NOT_A_NUMBER", "value must be a number, text or a rich value, not list_iterator"),
    "raises": (Metric(RuntimeError("no")), "NOT_A_NUMBER", "Metric cannot be read: RuntimeError: no"),
    "list with bytes": ([b"x"], "NOT_A_NUMBER", "value holds a bytes"),
    "mixed list": ([Image(PIXELS), 1], "NOT_A_NUMBER", "value is a list of rich values and others"),
    "tables": ([Table(), Table()], "NOT_A_NUMBER", "values: a Table stands alone: log each"),
    "images in dicts": ([{"a": Image(PIXELS)}], "NOT_A_NUMBER", "value holds a Image"),
    "long text": ("x" * (1 << 20) + "x", "TOO_LARGE", "value has 1,048,577 bytes of JSON, the limit is 1,048,576"),
    "long list": (["x" * 1000] * 2000, "TOO_LARGE", "log it as a Table"),
    "void": (np.zeros(1, "V3")[0], "NOT_A_NUMBER", ""),
    "none of pandas": (pd.NA, "NOT_A_NUMBER", "value must be a number, text or a rich value, not NAType"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_why(name: str) -> None:
    value, reason, message = REFUSED[name]
    found = split({"outer": {"key": value}, "other": 1})
    assert found.numbers == {"other": 1}
    assert found.rich == {}
    (refusal,) = found.refusals
    assert (refusal.reason, refusal.field) == (reason, "outer.key")
    assert message in refusal.message


def test_nested_mappings_are_flattened_with_dots() -> None:
    row = {
        "a": {"b": 1, "c": {"d": 2, "text": "x", "image": Image(PIXELS)}},
        "ordered": OrderedDict(x=3),
        "default": defaultdict(int, y=4),
        "proxy": MappingProxyType({"z": 5}),
        "user": UserDict({"w": 6}),
        "scores": Scores(7, {"deep": 8}),
        "classes": {0: 0.5, np.int64(1): 0.25, None: 2, 1.5: 3},
        "empty": {},
        Name.LOSS: 9,
    }
    found = split(row)
    assert found.refusals == []
    assert found.numbers == {
        "a.b": 1,
        "a.c.d": 2,
        "ordered.x": 3,
        "default.y": 4,
        "proxy.z": 5,
        "user.w": 6,
        "scores.loss": 7,
        "scores.parts.deep": 8,
        "classes.0": 0.5,
        "classes.1": 0.25,
        "classes.None": 2,
        "classes.1.5": 3,
        "loss": 9,
    }
    assert list(found.rich) == ["a.c.text", "a.c.image"]
    assert all(type(key) is str for key in found.numbers)


def test_an_empty_row_is_nothing() -> None:
    assert split({}) == ({}, {}, [])
    assert split({"a": {}, "b": {"c": {}}}) == ({}, {}, [])


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "KEY_LENGTH"),
        ("x" * 513, "KEY_LENGTH"),
        ("损" * 171, "KEY_LENGTH"),
        ("new\nline", "KEY_CHARACTERS"),
        ("\ud800", "KEY_CHARACTERS"),
        ("a\u2028b", "KEY_CHARACTERS"),
        (3, "KEY_LENGTH"),
        (None, "KEY_LENGTH"),
        (("a", 1), "KEY_LENGTH"),
    ],
)
@pytest.mark.parametrize("value", [1.0, "text"])
def test_keys_that_cannot_be(key: Any, reason: str, value: Any) -> None:
    found = split({key: value, "损" * 170: value})
    assert [refusal.reason for refusal in found.refusals] == [reason]
    assert len(found.numbers) + len(found.rich) == 1
    assert found.refusals[0].field.isprintable()


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({"a.b": 1, "a": {"b": 2}}, 2.0),
        ({"a": {"b": 2}, "a.b": 1}, 1.0),
        ({"a.b": 1, "a": {"b": "x"}}, "x"),
        ({"a.b": "x", "a": {"b": 1}}, 1.0),
        ({"a.b": "x", "a": {"b": None}}, None),
    ],
)
def test_a_key_given_twice_keeps_the_later_value(row: Any, kept: Any) -> None:
    found = split(row)
    assert {**found.numbers, **found.rich} == {"a.b": kept}
    message = "the row gives this key two values; the later one is kept"
    assert found.refusals == [Refusal("DUPLICATE_KEY", "a.b", message)]


def test_a_later_value_that_cannot_be_kept_leaves_the_earlier_one() -> None:
    found = split({"a.b": 1, "a": {"b": 1j}})
    assert found.numbers == {"a.b": 1}
    assert [refusal.reason for refusal in found.refusals] == ["NOT_A_NUMBER"]


def in_itself() -> dict[str, Any]:
    row: dict[str, Any] = {"x": 1}
    row |= {"a": row, "b": {"c": row}}
    return row


def deep() -> dict[str, Any]:
    row: dict[str, Any] = {"x": 1}
    for _ in range(100_000):
        row = {"a": row}
    return row


def laughs(end: Any) -> dict[str, Any]:
    for _ in range(45):
        end = {"a": end, "b": end}
    return {"x": 1, "laughs": end}


def endless() -> dict[str, Any]:
    class Endless(dict[str, Any]):
        def items(self) -> Any:
            return ((f"k{number}", Endless()) for number in iter(int, 1))

    return {"x": 1, "endless": Endless(a=1)}


@pytest.mark.parametrize(
    "row",
    [in_itself(), deep(), laughs(1j), laughs({}), endless()],
    ids=["itself", "deep", "laughs", "empty laughs", "endless"],
)
def test_what_has_no_end_is_refused_and_never_hangs(row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runstream.values.rows.MAX_VALUES", 10_000)
    found = split(row)
    assert "TOO_LARGE" in {refusal.reason for refusal in found.refusals}
    assert found.numbers == ({"x": 1} if "x" in row else {})


def test_a_mapping_that_breaks_is_refused_alone() -> None:
    class Breaks(dict[str, Any]):
        def items(self) -> Any:
            yield "before", 1
            raise RuntimeError("no")

    class BreaksAtOnce(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise RuntimeError("no")

    found = split({"a": Breaks(), "b": BreaksAtOnce(), "c": 2})
    assert found.numbers == {"a.before": 1, "c": 2}
    assert [(refusal.field, refusal.message) for refusal in found.refusals] == [
        ("a", "Breaks cannot be read: RuntimeError: no"),
        ("b", "BreaksAtOnce cannot be read: RuntimeError: no"),
    ]


@pytest.mark.parametrize("row", [None, 3, [1], "text", [("a", 1)]])
def test_what_is_no_row_is_refused(row: Any) -> None:
    found = split(row)
    assert (found.numbers, found.rich) == ({}, {})
    assert found.refusals == [Refusal("NOT_A_NUMBER", "", f"a row must be a dict, not {type(row).__name__}")]


def test_a_million_keys() -> None:
    found = split({f"metric/{index}": index for index in range(1_000_000)})
    assert (len(found.numbers), found.refusals) == (1_000_000, [])


def test_the_rest_past_the_limit_is_refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runstream.values.rows.MAX_VALUES", 100)
    found = split({f"metric/{index}": index for index in range(1000)})
    assert len(found.numbers) == 100
    assert [refusal.reason for refusal in found.refusals] == ["TOO_LARGE"]


LEAF = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.fractions()
    | st.datetimes()
    | st.timedeltas()
    | st.lists(st.integers() | st.text() | st.binary(), max_size=3)
    | st.floats(width=32).map(np.float32)
    | st.integers(-128, 127).map(np.int8)
    | st.just(object())
    | st.just(Image(PIXELS))
)
ROW = st.recursive(
    st.dictionaries(st.text(max_size=3) | st.integers(0, 3), LEAF, max_size=5),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "a.b", "b.a", ""]), LEAF | inner, max_size=5),
    max_leaves=20,
)


def leaves(row: Any) -> int:
    return sum(leaves(value) if isinstance(value, dict) else 1 for value in row.values())


@given(ROW)
def test_I3_every_value_is_kept_or_refused_and_none_twice(row: Any) -> None:
    found = split(row)
    assert len(found.numbers) + len(found.rich) + len(found.refusals) == leaves(row)
    assert not set(found.numbers) & set(found.rich)
    assert all(type(number) is float for number in found.numbers.values())
    plain_values = {key: value for key, value in found.rich.items() if not isinstance(value, Value)}
    assert json.loads(json.dumps(plain_values, allow_nan=False)) == plain_values
    for refusal in found.refusals:
        assert len(refusal.field) <= 200
        assert refusal.message


@given(st.dictionaries(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=9), st.floats()))
def test_a_row_of_floats_is_itself(row: dict[str, float]) -> None:
    found = split(row)
    np.testing.assert_equal(found.numbers, row)
    assert (found.rich, found.refusals) == ({}, [])
