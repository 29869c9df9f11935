"""A segment's header."""

from __future__ import annotations

import pytest

from runstream.spool.frame import read_segment_header, segment_header


def test_segment_header_names_its_first_sequence() -> None:
    assert read_segment_header(segment_header(77)) == 77


@pytest.mark.parametrize("data", [b"", b"\x01RSP", segment_header(1)[:-1], b"PAR1" + bytes(12), b"\x02RSP" + bytes(12)])
def test_a_foreign_header_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="segment"):
        read_segment_header(data)
