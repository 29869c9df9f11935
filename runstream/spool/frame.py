"""Frames of a segment, as bytes: header, length, checksum, kind. Pure; FORMAT.md draws it, scan.py reads it."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from enum import IntEnum
from zlib import crc32

VERSION = 1
MAGIC = b"RSP"
SEGMENT_HEADER = struct.Struct("<B3sIQ")
# Sequences are int64 in the forwarder's arrays; nobody writes so many.
_MAX_SEQ = 1 << 62
FRAME_HEADER = struct.Struct("<II")
BODY_HEADER = struct.Struct("<B3xI")
# A row of 100,000 values is 0.8 MB; a config of 4 MiB the largest record. A longer length is damage.
MAX_BODY_BYTES = 16 << 20


class Kind(IntEnum):
    """What a frame holds."""

    ROW = 1
    SCHEMA = 2
    RECORD = 3


def segment_header(first_seq: int) -> bytes:
    """The first bytes of a segment."""
    return SEGMENT_HEADER.pack(VERSION, MAGIC, _header_check(first_seq), first_seq)


def read_segment_header(data: bytes) -> int:
    """Returns the sequence of the segment's first frame.

    Raises:
        NewerVersion: a later runstream wrote it.
        ValueError: the bytes are no header of a version this can read, or are damaged.
    """
    if len(data) < SEGMENT_HEADER.size:
        raise ValueError(f"segment header has {len(data)} bytes, not {SEGMENT_HEADER.size}")
    version, magic, check, first_seq = SEGMENT_HEADER.unpack_from(data)
    if magic == MAGIC and version > VERSION:
        raise NewerVersion(f"a segment of version {version}, this runstream reads up to {VERSION}")
    if magic != MAGIC or version != VERSION:
        raise ValueError(f"not a spool segment of version {VERSION}: it begins with {data[:4]!r}")
    # 0 is what the first writers of this version wrote.
    if check not in (0, _header_check(first_seq)) or not 1 <= first_seq < _MAX_SEQ:
        raise ValueError(f"segment header is damaged: first sequence {first_seq}, checksum {check:08x}")
    return int(first_seq)


class NewerVersion(ValueError):
    """A segment that only a later runstream can read."""


def frame(body: bytes) -> bytes:
    """A body with its length and checksum before it."""
    return FRAME_HEADER.pack(len(body), crc32(body)) + body


def schema_frame(schema: int, keys: Sequence[str]) -> bytes:
    """The frame that names a row schema."""
    return frame(BODY_HEADER.pack(Kind.SCHEMA, schema) + json.dumps(keys, ensure_ascii=False).encode())


def record_frame(record: object) -> bytes:
    """The frame of a record, given as its proto3 JSON object. A lone surrogate in it becomes ``?``."""
    return frame(BODY_HEADER.pack(Kind.RECORD, 0) + json.dumps(record, ensure_ascii=False).encode(errors="replace"))


def row_struct(key_count: int) -> struct.Struct:
    """The struct of a row's body: kind, schema, step, time in ms, values."""
    return struct.Struct(f"<B3xIqq{key_count}d")


def _header_check(first_seq: int) -> int:
    return crc32(struct.pack("<B3sQ", VERSION, MAGIC, first_seq))
