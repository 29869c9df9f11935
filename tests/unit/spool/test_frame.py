"""Frames: any bytes give an answer, whole frames are found, torn and damaged ones are told apart."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.spool.frame import (
    BODY_HEADER,
    FRAME_HEADER,
    Kind,
    Stop,
    frame,
    read_segment_header,
    record_frame,
    row_struct,
    scan,
    schema_frame,
    segment_header,
)

ROW = frame(row_struct(2).pack(Kind.ROW, 1, -5, 1_700_000_000_000, 0.5, float("nan")))
SEGMENT = schema_frame(1, ["a", "ü"]) + ROW + record_frame({"run": {"displayName": "x"}}) + ROW


def test_whole_frames_are_found_in_order() -> None:
    frames, used, stop = scan(SEGMENT)
    assert [found.kind for found in frames] == [Kind.SCHEMA, Kind.ROW, Kind.RECORD, Kind.ROW]
    assert (used, stop) == (len(SEGMENT), Stop.END)
    assert json.loads(SEGMENT[frames[0].start + BODY_HEADER.size : frames[0].end]) == ["a", "ü"]


def test_torn_at_every_byte_gives_the_frames_before_the_tear() -> None:
    ends = [found.end for found in scan(SEGMENT)[0]]
    for cut in range(len(SEGMENT)):
        frames, used, stop = scan(SEGMENT[:cut])
        whole = [end for end in ends if end <= cut]
        assert [found.end for found in frames] == whole
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
    assert all(found.end <= used for found in frames)


@given(st.lists(st.binary(min_size=8, max_size=50), max_size=8), st.binary(max_size=20))
def test_bodies_come_back_as_they_went_in(bodies: list[bytes], tail: bytes) -> None:
    data = b"".join(map(frame, bodies))
    frames, used, _ = scan(data + tail)
    assert [(data + tail)[found.start : found.end] for found in frames][: len(bodies)] == bodies
    assert used >= len(data)


def test_a_length_that_cannot_be_is_damage_not_patience() -> None:
    assert scan(FRAME_HEADER.pack(1 << 30, 0) + bytes(100))[2] is Stop.DAMAGED
    assert scan(FRAME_HEADER.pack(2, 0) + bytes(100))[2] is Stop.DAMAGED


def test_segment_header_names_its_first_sequence() -> None:
    assert read_segment_header(segment_header(77)) == 77


@pytest.mark.parametrize("data", [b"", b"\x01RSP", segment_header(1)[:-1], b"PAR1" + bytes(12), b"\x02RSP" + bytes(12)])
def test_a_foreign_header_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="segment"):
        read_segment_header(data)
