"""Records of wandb's transaction log, ``run-ID.wandb``: LevelDB's log format with wandb's header and checksum.

    header   7 bytes   ":W&B" · u16 0xBEE1 · u8 version = 0
    block    32 KiB, the first one with the header in it; no chunk's header spans two
    chunk              u32 CRC-32 of type and data · u16 length of data · u8 type · data       little-endian
    type               1 a whole record · 2 its first, 3 a middle, 4 its last part · 0 with length 0: nothing more here

A torn last chunk is the end of a log whose writer was killed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from mmap import mmap
from zlib import crc32

from runstream.errors import InvalidField

_HEADER = struct.Struct("<4sHB")
_CHUNK = struct.Struct("<IHB")
_IDENT = (b":W&B", 0xBEE1)
_BLOCK = 32 << 10
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def records(log: bytes | mmap, name: str, damaged: Callable[[int], None]) -> Iterator[bytes]:
    """Yields the data of each whole record.

    Args:
        log: the file.
        name: its name, for errors.
        damaged: told the place of each damage; reading goes on in the next block.

    Raises:
        InvalidField: the file is no log of wandb's, or of a later version.
    """
    if len(log) < _HEADER.size:
        return  # being made
    ident, magic, version = _HEADER.unpack_from(log)
    if (ident, magic) != _IDENT or version != 0:
        raise InvalidField(name, "is no log of wandb's of version 0")
    record: bytes | None = None
    for at, kind, data in _chunks(log, damaged):
        if kind in (_FULL, _FIRST):
            record = data
        elif record is not None and kind in (_MIDDLE, _LAST):
            record += data
        else:
            damaged(at)
            record = None
        if record is not None and kind in (_FULL, _LAST):
            yield record
            record = None


def _chunks(log: bytes | mmap, damaged: Callable[[int], None]) -> Iterator[tuple[int, int, bytes]]:
    at = _HEADER.size
    while at + _CHUNK.size <= len(log):
        left = _BLOCK - at % _BLOCK
        if left < _CHUNK.size:
            at += left
            continue
        crc, length, kind = _CHUNK.unpack_from(log, at)
        data = log[at + _CHUNK.size : at + _CHUNK.size + length]
        is_too_long = _CHUNK.size + length > left
        if len(data) < length and not is_too_long:
            return
        if (kind, length, crc) == (0, 0, 0):
            at += left
        elif is_too_long or crc32(data, crc32(bytes([kind]))) != crc:
            damaged(at)
            at += left
        else:
            yield at, kind, data
            at += _CHUNK.size + length
