"""A stream's keys by number."""

from __future__ import annotations

import pytest

from ingest.keys import KeysUnknown, StreamKeys
from runstream.v1 import ingest_pb2


def keys_of(*names: str, limit: int = 100) -> StreamKeys:
    keys = StreamKeys(limit)
    for number, name in enumerate(names, 1):
        keys.define(ingest_pb2.KeyDefinition(id=number, key=name))
    return keys


def test_a_block_names_its_keys_in_its_own_order_without_those_that_cannot_be() -> None:
    found = keys_of("a", "", "c", "x" * 600).key_set([4, 3, 2, 1])
    assert (found.names, found.places, found.malformed, found.past_limit) == (("c", "a"), [1, 3], 2, 0)


def test_the_same_numbers_again_are_the_same_key_set_even_when_more_keys_came() -> None:
    keys = keys_of("a", "b")
    first = keys.key_set([1, 2])
    keys.define(ingest_pb2.KeyDefinition(id=3, key="c"))
    assert keys.key_set([1, 2]) is first
    assert keys.key_set([3]).names == ("c",)


@pytest.mark.parametrize("numbers", [[0], [3], [1, 1], [2**32 - 1]])
def test_numbers_that_stand_for_no_key_are_unknown(numbers: list[int]) -> None:
    with pytest.raises(KeysUnknown, match="key ids"):
        keys_of("a", "b").key_set(numbers)


def test_a_number_said_again_or_out_of_order_changes_nothing() -> None:
    keys = keys_of("a")
    for number, name in ((1, "a"), (3, "c"), (0, "d")):
        keys.define(ingest_pb2.KeyDefinition(id=number, key=name))
    assert keys.key_set([1]).names == ("a",)
    assert list(keys.held()) == ["a"]


def test_a_number_that_means_two_keys_means_none() -> None:
    keys = keys_of("a", "b")
    keys.key_set([1, 2])
    keys.define(ingest_pb2.KeyDefinition(id=1, key="c"))
    found = keys.key_set([1, 2])
    assert (found.names, found.malformed) == (("b",), 1)
    assert sorted(keys.held()) == ["a", "b"]


def test_I10_keys_past_the_limit_take_no_memory_and_are_counted() -> None:
    keys = keys_of(*"abcdef", limit=2)
    assert list(keys.held()) == ["a", "b"]
    found = keys.key_set([1, 5, 2, 6])
    assert (found.names, found.places, found.malformed, found.past_limit) == (("a", "b"), [0, 2], 0, 2)
