"""Scanning: any bytes give an answer, and the fast way finds what the plain one finds."""

from __future__ import annotations

import json
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from runstream.spool import scan as scan_module
from runstream.spool.frame import (
    BODY_HEADER,
    FRAME_HEADER,
    MAX_BODY_BYTES,
    Kind,
    frame,
    record_frame,
    row_struct,
    schema_frame,
)
from runstream.spool.scan import Frames, Stop, scan

ROW = frame(row_struct(2).pack(Kind.ROW, 1, -5, 1_700_000_000_000, 0.5, float("nan")))
SEGMENT = schema_frame(1, ["a", "ü"]) + ROW + record_frame({"run": {"displayName": "x"}}) + ROW * 3


def ends(frames: list[Frames]) -> list[int]:
    """The end of every single frame."""
    return [each.start + i * (each.size + 8) + each.size for each in frames for i in range(each.n)]


def plain_scan(buffer: bytes) -> tuple[list[tuple[int, int, int, int]], int, Stop]:
    """The plain twin: one frame at a time, as FORMAT.md says it."""
    found = []
    offset = 0
    while offset + 8 <= len(buffer):
        size, checksum = FRAME_HEADER.unpack_from(buffer, offset)
        body = buffer[offset + 8 : offset + 8 + size]
        if not 8 <= size <= MAX_BODY_BYTES:
            return found, offset, Stop.DAMAGED
        if len(body) < size:
            return found, offset, Stop.TORN
        if crc32(body) != checksum:
            return found, offset, Stop.DAMAGED
        found.append((*BODY_HEADER.unpack_from(body), offset + 8, size))
        offset += 8 + size
    return found, offset, Stop.END if offset == len(buffer) else Stop.TORN


def singly(frames: list[Frames]) -> list[tuple[int, int, int, int]]:
    return [
        (each.kind, each.schema, each.start + i * (each.size + 8), each.size) for each in frames for i in range(each.n)
    ]


PIECES = st.lists(
    st.tuples(st.sampled_from([1, 1, 1, 2, 3]), st.integers(1, 2), st.integers(0, 2), st.integers(1, 40)), max_size=8
)


@given(PIECES, st.integers(0, 400), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 7)), max_size=2))
def test_the_fast_way_finds_what_the_plain_one_finds(
    pieces: list[tuple[int, int, int, int]], cut: int, flips: list[tuple[int, int]]
) -> None:
    data = b"".join(
        frame(BODY_HEADER.pack(kind, schema) + bytes([number % 251]) * (8 * extra))
        for kind, schema, extra, repeats in pieces
        for number in range(repeats)
    )
    damaged = bytearray(data[: max(0, len(data) - cut)])
    for place, bit in flips:
        if damaged:
            damaged[place % len(damaged)] ^= 1 << bit
    together, scan_module._TOGETHER = scan_module._TOGETHER, 16
    try:
        frames, used, stop = scan(bytes(damaged))
    finally:
        scan_module._TOGETHER = together
    assert (singly(frames), used, stop) == plain_scan(bytes(damaged))


def test_frames_alike_are_found_together() -> None:
    frames, used, stop = scan(SEGMENT)
    assert [(each.kind, each.n) for each in frames] == [(Kind.SCHEMA, 1), (1, 1), (Kind.RECORD, 1), (1, 3)]
    assert (used, stop) == (len(SEGMENT), Stop.END)
    assert json.loads(SEGMENT[frames[0].start + BODY_HEADER.size :][: frames[0].size - 8]) == ["a", "ü"]


def test_torn_at_every_byte_gives_the_frames_before_the_tear() -> None:
    every = ends(scan(SEGMENT)[0])
    for cut in range(len(SEGMENT)):
        frames, used, stop = scan(SEGMENT[:cut])
        whole = [end for end in every if end <= cut]
        assert ends(frames) == whole
        assert used == (whole[-1] if whole else 0)
        assert stop is (Stop.END if cut == used else Stop.TORN)


def test_every_flipped_bit_is_noticed() -> None:
    for place in range(len(ROW)):
        for bit in range(8):
            damaged = bytearray(ROW)
            damaged[place] ^= 1 << bit
            frames, used, stop = scan(bytes(damaged))
            assert (frames, used) == ([], 0)
            assert stop in (Stop.DAMAGED, Stop.TORN)


@given(st.binary(max_size=300))
def test_any_bytes_give_an_answer(data: bytes) -> None:
    frames, used, stop = scan(data)
    assert 0 <= used <= len(data)
    assert (stop is Stop.END) == (used == len(data))
    assert all(end <= used for end in ends(frames))


def test_a_length_that_cannot_be_is_damage_not_patience() -> None:
    assert scan(FRAME_HEADER.pack(1 << 30, 0) + bytes(100))[2] is Stop.DAMAGED
    assert scan(FRAME_HEADER.pack(2, 0) + bytes(100))[2] is Stop.DAMAGED
