"""What a ``log()`` call says, taken apart: numbers for the spool's rows, rich values, and refusals. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, NamedTuple

from runstream.names import MAX_KEY_BYTES, has_control_characters
from runstream.values.leaf import Refused, fields_of, leaf

MAX_DEPTH = 50
# Mappings that share their parts can hold more values than there are atoms; this many take a few seconds.
MAX_VALUES = 2_000_000
_SHOWN_KEY_CHARS = 200


class Refusal(NamedTuple):
    """One value that is not kept: ``reason`` of the proto's RefusalReason without its prefix."""

    reason: str
    field: str
    message: str


class Split(NamedTuple):
    """A history row, taken apart; no key is in both ``numbers`` and ``rich``."""

    numbers: dict[str, float]
    rich: dict[str, Any]
    refusals: list[Refusal]


def split(data: Any) -> Split:
    """Takes a history row apart. Never raises and always ends.

    Nested mappings and dataclasses are flattened with dots (``{"a": {"b": 1}}`` is ``a.b``); one with a text under
    ``_type`` is a value of its own. What a value becomes: ``leaf.leaf``. Every value is in one of the three:
    ``values = len(numbers) + len(rich) + len(refusals)``, except past two million, where the rest is refused as one.

    A key given twice (as ``a.b`` and as ``b`` inside ``a``) keeps the later value that can be kept; the earlier one
    is refused. An empty mapping has no values.

    Args:
        data: keys and values; anything else is refused as a whole.
    """
    taken = _Taken()
    if not isinstance(data, Mapping):
        taken.refuse("NOT_A_NUMBER", "", f"a row must be a dict, not {type(data).__name__}")
    else:
        try:
            taken.walk(data, "", 0)
        except _NoRoom:
            taken.refuse("TOO_LARGE", "", f"the row has more than {MAX_VALUES:,} values; the rest is not kept")
    return Split(taken.numbers, taken.rich, taken.refusals)


def key_problem(key: str) -> tuple[str, str] | None:
    """Reason and message why a key cannot be, or None if it can: 1 to 512 bytes, no control characters."""
    if key.isascii() and key.isprintable() and 0 < len(key) <= MAX_KEY_BYTES:
        return None  # nearly every key, and the cheapest to ask
    size = len(key.encode(errors="replace"))
    if not 0 < size <= MAX_KEY_BYTES:
        return "KEY_LENGTH", f"key must be a string of 1 to {MAX_KEY_BYTES} bytes, this one has {size}"
    if has_control_characters(key):
        return "KEY_CHARACTERS", "key contains control characters"
    return None


def shown_key(key: object) -> str:
    """A key as it may stand in a message: readable and at most 200 characters."""
    text = key if isinstance(key, str) and not has_control_characters(key) else ascii(key)
    return text[:_SHOWN_KEY_CHARS]


class _NoRoom(Exception):
    """The row has too many values."""


class _Taken:
    """One walk over a row."""

    def __init__(self) -> None:
        self.numbers: dict[str, float] = {}
        self.rich: dict[str, Any] = {}
        self.refusals: list[Refusal] = []
        self._inside: set[int] = set()
        self._room = MAX_VALUES

    def refuse(self, reason: str, field: str, message: str) -> None:
        self.refusals.append(Refusal(reason, field, message))

    def walk(self, mapping: Mapping[Any, Any], prefix: str, depth: int) -> None:
        name = prefix[:-1]
        if depth >= MAX_DEPTH:
            self.refuse("TOO_LARGE", shown_key(name), f"value is nested deeper than {MAX_DEPTH} levels")
            return
        self._inside.add(id(mapping))
        try:
            for key, value in mapping.items():
                self._room -= 1
                if self._room < 0:
                    raise _NoRoom
                given = prefix + key if isinstance(key, str) else self._name(prefix, key, depth)
                if given is not None:
                    self._take(given, value, depth)
        except _NoRoom:
            raise
        except Exception as error:  # of a mapping that is not ours
            message = f"{type(mapping).__name__} cannot be read: {type(error).__name__}: {error}"
            self.refuse("NOT_A_NUMBER", shown_key(prefix[:-1]), message[:500])
        finally:
            self._inside.discard(id(mapping))

    def _name(self, prefix: str, key: object, depth: int) -> str | None:
        """The name of a key that is no string: inside of a mapping, numbers (class 0, class 1 …) are fine."""
        if depth and (key is None or isinstance(key, (bool, float)) or hasattr(key, "__index__")):
            return f"{prefix}{key}"
        message = f"key must be a string of 1 to {MAX_KEY_BYTES} bytes, this one has {type(key).__name__}"
        self.refuse("KEY_LENGTH", shown_key(f"{prefix}<{type(key).__name__}>"), message)
        return None

    def _take(self, name: str, value: Any, depth: int) -> None:
        kept: Any
        kind = type(value)
        if kind is float:
            kept = value
        else:
            try:
                if kind not in (int, str, bool, NoneType):
                    inner = fields_of(value)
                    if inner is not None:
                        self._enter(inner, name, depth)
                        return
                kept = leaf(value)
            except Refused as refused:
                self.refuse(refused.reason, shown_key(name), refused.message)
                return
        problem = key_problem(name)
        if problem is not None:
            self.refuse(problem[0], shown_key(name), problem[1])
            return
        if name in self.numbers or name in self.rich:
            self.numbers.pop(name, None)
            self.rich.pop(name, None)
            message = "the row gives this key two values; the later one is kept"
            self.refuse("DUPLICATE_KEY", shown_key(name), message)
        if type(kept) is float:
            self.numbers[name] = kept
        else:
            self.rich[name] = kept

    def _enter(self, inner: Mapping[Any, Any], name: str, depth: int) -> None:
        if id(inner) in self._inside:
            self.refuse("TOO_LARGE", shown_key(name), "value contains itself")
        else:
            self.walk(inner, f"{name}.", depth + 1)
