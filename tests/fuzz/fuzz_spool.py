"""Fuzzes the way from a segment's bytes to messages: ``python -m tests.fuzz.fuzz_spool --seconds 30``.

The law: any bytes are a segment with an answer. Ranges go on, rows fit their keys, the size of the window changes
nothing, frames are answered or counted, and what is answered can be sent.
"""

from __future__ import annotations

import importlib
import struct
import sys
import tempfile
from pathlib import Path
from zlib import crc32

if __name__ == "__main__":  # before anything is imported that is to be watched
    import atheris

    sys.path.insert(0, str(Path(__file__).parents[1]))
    with atheris.instrument_imports(include=["runstream.spool", "runstream.forward.encode"]):
        importlib.import_module("runstream.spool.reader")
        importlib.import_module("runstream.forward.encode")

from fuzz import driver
from support.processes import ROOT
from support.spools import Found, read_all, row_body, same

from runstream.forward.encode import KeyTable, batch_points, encode
from runstream.spool import reader as spool_reader
from runstream.spool.frame import (
    SEGMENT_HEADER,
    Kind,
    NewerVersion,
    frame,
    record_frame,
    schema_frame,
    segment_header,
)
from runstream.spool.reader import SpoolReader

_folder = tempfile.TemporaryDirectory(prefix="fuzz-spool-")
_SEGMENT = Path(_folder.name) / "00000001.spool"
spool_reader._DOUBTS = 2  # files here do not change while they are read


def one(data: bytes) -> None:
    """Holds the law for a segment as it is, and with its checksums made right: damage ends at a wrong one."""
    _check(data)
    _check(_with_right_checksums(data))


def corpus() -> list[bytes]:
    """The golden segments, and small ones of every kind of frame."""
    golden = [path.read_bytes() for path in sorted((ROOT / "tests" / "golden").glob("*.spool"))]
    schema, row = schema_frame(1, ["a", "ü"]), frame(row_body(1, 3, 0.5, float("nan")))
    records = [
        {"timeUs": "5", "run": {"displayName": "x", "tags": {"values": ["a"]}}},
        {"writer": {"state": "RUN_STATE_FINISHED", "exitCode": 3}},
        {"refused": {"reason": "REFUSAL_REASON_NOT_A_NUMBER", "field": "k", "count": "3"}},
    ]
    said = b"".join(map(record_frame, records))
    later = frame(bytes([9]) + bytes(10)) + frame(bytes([Kind.SCHEMA]) + bytes(7) + b"[1]")
    return [
        *golden,
        segment_header(1),
        segment_header(1) + schema + row * 3 + said,
        segment_header(7) + schema + row + later + schema_frame(2, ["b"]) + frame(row_body(2, -1, 1e300)) + row,
        segment_header(1) + row + schema_frame(1, []) + schema + row[:-3],
    ]


def _check(data: bytes) -> None:
    _SEGMENT.write_bytes(data)
    found = _read(1 << 20)
    if found is None:
        return
    again = _read(64)
    assert again is not None
    assert same(found.points, again.points)
    assert found.records == again.records
    assert (found.lost, found.damaged_bytes) == (again.lost, again.damaged_bytes)
    keys = KeyTable()
    for chunk in found.chunks:
        sent = 0
        for batch in encode(chunk, keys, max_points=5):
            batch.FromString(batch.SerializeToString())
            sent += batch_points(batch)
        assert sent == chunk.points


def _read(window: int) -> Found | None:
    reader = SpoolReader(_SEGMENT.parent)
    try:
        return read_all(reader, max_bytes=window)
    except NewerVersion:
        return None
    finally:
        reader.close()


def _with_right_checksums(data: bytes) -> bytes:
    """The same frames by their lengths, as far as they go, each with the checksum of what is in it."""
    made = bytearray(data[: SEGMENT_HEADER.size])
    offset = len(made)
    while offset + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, offset)
        body = data[offset + 8 : offset + 8 + size]
        made += struct.pack("<II", size, crc32(body)) + body
        offset += 8 + size
    return bytes(made) + data[offset:]


if __name__ == "__main__":
    driver.main(one, corpus())
