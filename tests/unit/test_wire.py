"""Packed fields: what numpy writes, protobuf reads, and the other way."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runstream.v1 import record_pb2
from runstream.wire import column, contents, packed

_ids = st.lists(st.integers(0, 2**32 - 1), max_size=300)
_steps = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=300)
_values = st.lists(st.floats(), max_size=300)


@given(_ids, _steps, _values)
def test_contents_are_what_was_put_in(ids: list[int], steps: list[int], values: list[float]) -> None:
    block = record_pb2.Block(key_ids=ids, steps=steps, values=values)
    found = contents(block)
    assert list(found) == [name for name, held in (("key_ids", ids), ("steps", steps), ("values", values)) if held]
    np.testing.assert_array_equal(column(found.get("steps", b""), "<i8"), np.array(steps, np.int64))
    np.testing.assert_array_equal(column(found.get("values", b""), "<f8"), np.array(values, np.float64))


@given(_steps)
def test_packed_is_the_other_way(steps: list[int]) -> None:
    block = record_pb2.Block()
    block.MergeFromString(packed(block.DESCRIPTOR, "steps", np.array(steps, "<i8")))
    assert list(block.steps) == steps


def test_fields_of_a_later_version_are_left_out() -> None:
    unknown = b"\xa2\x06\x03abc" + b"\x98\x06\x01" + b"\x91\x06" + bytes(8)  # fields 100, 99, 98
    block = record_pb2.Block.FromString(unknown + record_pb2.Block(steps=[7]).SerializeToString() + unknown)
    assert list(contents(block)) == ["steps"]
