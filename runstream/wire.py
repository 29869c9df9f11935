"""Packed fixed-width fields of protobuf messages, straight from numpy. Pure.

numpy's memory is already what the wire wants: parsing it in with ``MergeFromString`` costs 1 ns a value, where
extending a repeated field with a list costs 40. The encoding is protobuf's public wire format.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
from google.protobuf.descriptor import Descriptor

_LENGTH_DELIMITED = 2


def packed(message: Descriptor, field: str, column: npt.NDArray[Any]) -> bytes:
    """A repeated fixed-width field: tag, length, little-endian numbers of the column in C order.

    The column's dtype must be the field's: ``<i8`` for sfixed64, ``<f8`` for double, ``<u4`` for fixed32.
    """
    data = column.tobytes()
    return _varint(message.fields_by_name[field].number << 3 | _LENGTH_DELIMITED) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
