"""Records of TensorFlow's record files, as TensorBoard's event files are.

    u64 length · u32 masked CRC-32C of the length · data · u32 masked CRC-32C of the data       little-endian

The last record of a file whose writer lives, or was killed, may be torn; that is its end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
# 60 ns a byte in Python. A record of scalars has some 100 bytes; larger ones are images and graphs, which are not read.
_CHECKED_BYTES = 16 << 10
_MAX_BYTES = 1 << 31


def _table() -> tuple[int, ...]:
    entries = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (0x82F63B78 if entry & 1 else 0)  # Castagnoli's polynomial, reflected
        entries.append(entry)
    return tuple(entries)


_TABLE = _table()


class Damaged(Exception):
    """A record is whole and its checksum is wrong; nothing after it can be found."""


def records(file: BinaryIO) -> Iterator[bytes]:
    """Yields the data of each whole record.

    Raises:
        Damaged: with the place in its text.
    """
    at = 0
    while len(header := file.read(_HEADER.size)) == _HEADER.size:
        length, length_crc = _HEADER.unpack(header)
        if masked_crc32c(header[:8]) != length_crc or length > _MAX_BYTES:
            raise Damaged(f"damaged from byte {at:,} on")
        body = file.read(length + _FOOTER.size)
        if len(body) < length + _FOOTER.size:
            return
        data = body[:length]
        if length <= _CHECKED_BYTES and masked_crc32c(data) != _FOOTER.unpack_from(body, length)[0]:
            raise Damaged(f"damaged from byte {at:,} on")
        yield data
        at += _HEADER.size + len(body)


def masked_crc32c(data: bytes) -> int:
    """The checksum as the format keeps it: rotated and shifted, since a CRC over data that holds CRCs is weak."""
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
