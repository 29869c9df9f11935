"""What one logged value is: a number, a rich value, plain JSON, or nothing that can be kept. Pure."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

from runstream.errors import RunstreamError
from runstream.values.group import Group
from runstream.values.media import Value, as_text
from runstream.values.plain import NotPlain, plain
from runstream.values.wrap import wrapped

# Plain JSON travels in a message with others, far below the wire's 64 MiB; what is larger is a Table or a file.
MAX_JSON_BYTES = 1 << 20
# As wandb does: an array is shown as it is while a person can read it, beyond that as its distribution.
MAX_ARRAY_AS_LIST = 32
_ARRAY_BINS = 32
_PLAIN_TYPES = frozenset((str, int, float, bool, type(None)))


class Refused(Exception):
    """A value is not kept: ``reason`` of the proto's RefusalReason without its prefix, and a message for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def fields_of(value: object) -> Mapping[Any, Any] | None:
    """The mapping that a value is walked into as, or None: a mapping without ``_type``, or a dataclass's fields.

    Raises:
        Refused: its class raises.
    """
    try:
        if isinstance(value, Mapping):
            return None if isinstance(value.get("_type"), str) else value
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    except Exception as error:
        raise _unreadable(value, error) from error
    return None


def leaf(value: Any) -> Any:
    """A ``float`` if the value is a number, else a ``Value`` or JSON (text, None, list, object with ``_type``).

    Numbers are bools, integers, floats, Decimal, Fraction, durations (seconds), whatever has ``__float__``, and
    arrays and tensors of one of them. Arrays of up to 32 numbers become lists, longer ones a Histogram of 32 bins.
    Dates become text (ISO 8601). Lists of images and the like become one Group.

    Raises:
        Refused: it is none of these, out of range, or its class raises.
    """
    kind = type(value)
    try:
        if kind is int or kind is bool:
            return float(value)
        return _leaf(value)
    except Refused:
        raise
    except OverflowError:
        raise Refused("OUT_OF_RANGE", "value does not fit a 64-bit float") from None
    except NotPlain as error:
        raise Refused("NOT_A_NUMBER", f"value {error}") from error
    except RunstreamError as error:
        raise Refused("NOT_A_NUMBER", str(error)) from error
    except Exception as error:  # of a class that is not ours
        raise _unreadable(value, error) from error


def _unreadable(value: object, error: Exception) -> Refused:
    return Refused("NOT_A_NUMBER", f"{type(value).__name__} cannot be read: {type(error).__name__}: {error}"[:500])


def _leaf(value: Any) -> Any:
    if isinstance(value, Enum):  # before int and str, of which it may be one too
        value = value.value
    if value is None or isinstance(value, Value):
        return value
    if isinstance(value, str):
        return _small(as_text(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise Refused("NOT_A_NUMBER", "value is bytes: decode them, or log a file or an Image")
    if isinstance(value, complex):
        raise Refused("NOT_A_NUMBER", "value is complex: log its .real and .imag")
    if isinstance(value, (int, float, Decimal, Fraction)):
        return _number(value)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return _small(plain(value))
    if isinstance(value, (list, tuple, set, frozenset)):
        return _list(value)
    rich = wrapped(value)
    if rich is not None:
        return rich
    if not isinstance(value, type):
        if callable(getattr(value, "item", None)):
            return _array(value)
        if hasattr(value, "__float__") or hasattr(value, "__index__"):
            return _number(value)
    raise Refused("NOT_A_NUMBER", f"value must be a number, text or a rich value, not {type(value).__name__}")


def _number(value: Any) -> float:
    if isinstance(value, Decimal) and value.is_nan():
        return math.nan  # of a signalling one, float() raises
    number = float(value)
    if math.isinf(number) and value != number:
        raise OverflowError  # Decimal and long doubles become infinite without one
    return number


def _list(values: Any) -> Any:
    if not _PLAIN_TYPES.issuperset(map(type, values)):
        rich = [wrapped(value) for value in values]
        if any(value is not None for value in rich):
            if any(value is None for value in rich):
                raise Refused("NOT_A_NUMBER", "value is a list of rich values and others")
            return Group([value for value in rich if value is not None])
    return _small(plain(values))


def _array(array: Any) -> Any:
    """Arrays, tensors and scalars of numpy, torch, jax, and series of pandas and polars."""
    size = _size(array)
    kind = getattr(getattr(array, "dtype", None), "kind", "")
    if size == 1 and kind in ("M", "m"):
        (found,) = plain(array.reshape(1))
        return found
    if size == 1:
        inner = array.item()
        if callable(getattr(inner, "item", None)):  # long doubles are their own
            return _number(inner)
        return _leaf(inner)
    if size > MAX_ARRAY_AS_LIST and kind not in ("M", "m", "U", "S", "O", "T", "c"):
        from runstream.values.histogram import Histogram

        return Histogram(array, num_bins=_ARRAY_BINS)
    return _small(plain(array))


def _size(array: Any) -> int:
    count = getattr(array, "numel", None)  # torch, whose size() is its shape
    size = count() if callable(count) else getattr(array, "size", None)
    if size is None and hasattr(array, "__len__"):
        return len(array)  # series of polars
    return int(1 if size is None or callable(size) else size)


def _small(value: Any) -> Any:
    """A value of JSON that is small enough to stand in a row."""
    size = len(value.encode()) if isinstance(value, str) else len(json.dumps(value, ensure_ascii=False).encode())
    if size > MAX_JSON_BYTES:
        next_step = "log it as Html or a file" if isinstance(value, str) else "log it as a Table"
        raise Refused("TOO_LARGE", f"value has {size:,} bytes of JSON, the limit is {MAX_JSON_BYTES:,}: {next_step}")
    return value
