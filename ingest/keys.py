"""A stream's metric keys by number, and which of them cannot be. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from runstream.names import MAX_KEY_BYTES, has_control_characters
from runstream.v1 import ingest_pb2


class KeySet(NamedTuple):
    """The keys of a block: names and places of the sound ones, and how many are not."""

    names: tuple[str, ...]
    places: list[int]
    malformed: int
    past_limit: int


class KeysUnknown(ValueError):
    """The numbers of a block are not distinct, or were not given to keys."""


class StreamKeys:
    """Numbers 1, 2, 3 … of a stream to keys.

    Blocks repeat their key sets, so the last one is remembered, checked and named: of a run that logs 100,000
    keys a row, naming them anew would cost more than their points.

    Args:
        limit: most keys; those past it are refused with their points.
        hold: called with a new key's name; returns the string to keep, the same one for all streams.
    """

    def __init__(self, limit: int, hold: Callable[[str], str] = str) -> None:
        self.limit = limit
        self._hold = hold
        self._names: list[str | None] = []
        self._said_twice: list[str] = []
        self._last: tuple[bytes, KeySet] = (b"", KeySet((), [], 0, 0))

    def define(self, definition: ingest_pb2.KeyDefinition) -> None:
        """Takes a key's number, if it is the next one; a key that cannot be is kept as None."""
        key, place = definition.key, definition.id - 1
        if 0 <= place < len(self._names):
            self._define_again(place, key)
        if place != len(self._names) or place >= self.limit:
            return  # out of order, then blocks that use it are refused; or past the limit
        self._names.append(self._hold(key) if _is_sound(key) else None)

    def _define_again(self, place: int, key: str) -> None:
        before = self._names[place]
        if before is not None and before != key:
            # A number that means two keys means none: nobody knows which of them its values are for.
            self._names[place] = None
            self._said_twice.append(before)
            self._last = (b"", KeySet((), [], 0, 0))

    def key_set(self, numbers: Iterable[int], mark: bytes = b"") -> KeySet:
        """The keys of a block. Raises KeysUnknown.

        ``mark`` stands for the numbers: the same bytes mean the same numbers. Their form on the wire is cheaper to have
        than 100,000 of them are to read.
        """
        mark = mark or np.array(numbers, np.uint32).tobytes()
        if mark != self._last[0]:
            self._last = (mark, self._find(list(numbers)))
        return self._last[1]

    def held(self) -> Iterable[str]:
        """The names that were kept."""
        return itertools.chain(self._said_twice, (name for name in self._names if name is not None))

    def _find(self, numbers: list[int]) -> KeySet:
        known = len(self._names)
        is_full = known >= self.limit
        is_known = all(number > 0 and (number <= known or is_full) for number in numbers)
        if not is_known or len(set(numbers)) != len(numbers):
            raise KeysUnknown("key ids must be distinct and announced by new_keys of this stream, from 1 on")
        names: list[str] = []
        places: list[int] = []
        past_limit = 0
        for place, number in enumerate(numbers):
            name = self._names[number - 1] if number <= known else None
            past_limit += number > known
            if name is not None:
                names.append(name)
                places.append(place)
        return KeySet(tuple(names), places, len(numbers) - len(names) - past_limit, past_limit)


def _is_sound(key: str) -> bool:
    if key.isascii() and key.isprintable():
        return 0 < len(key) <= MAX_KEY_BYTES  # nearly every key, and the cheapest to ask
    return 0 < len(key.encode(errors="replace")) <= MAX_KEY_BYTES and not has_control_characters(key)
