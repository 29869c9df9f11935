"""The bytes of version 1, kept: a reader of today reads what a writer of then wrote, and the writer writes the same.

The first writers of version 1 left the header's checksum 0.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.processes import ROOT

from runstream.spool.frame import frame, record_frame, row_struct, schema_frame, segment_header
from runstream.spool.reader import SpoolReader

GOLDEN = ROOT / "tests" / "golden" / "spool_v1_checked.spool"
FIRST = ROOT / "tests" / "golden" / "spool_v1.spool"
ROWS = [(0, 1_700_000_000_000, 0.5, float("inf")), (-3, 1_700_000_000_001, -0.0, 1e300)]
RECORD = {"timeUs": "1700000000000000", "document": {"kind": "KIND_CONFIG", "json": '{"lr": 0.1}'}}


def test_the_writers_parts_still_make_these_bytes() -> None:
    rows = [frame(row_struct(2).pack(1, 1, *row)) for row in ROWS]
    assert (
        segment_header(41) + schema_frame(1, ["loss", "ü"]) + b"".join(rows) + record_frame(RECORD)
        == GOLDEN.read_bytes()
    )


@pytest.mark.parametrize("golden", [FIRST, GOLDEN], ids=["first", "checked"])
def test_the_reader_still_reads_them(tmp_path: Path, golden: Path) -> None:
    (tmp_path / "00000007.spool").write_bytes(golden.read_bytes())
    chunk = SpoolReader(tmp_path, after_seq=40).read()
    assert chunk is not None
    (rows,) = chunk.rows
    assert (rows.keys, rows.seqs.tolist()) == (("loss", "ü"), [42, 43])
    assert [tuple(map(repr, row)) for row in rows.values.tolist()] == [("0.5", "inf"), ("-0.0", "1e+300")]
    assert (rows.steps.tolist(), rows.times_ms.tolist()) == ([0, -3], [1_700_000_000_000, 1_700_000_000_001])
    assert chunk.records == [(44, RECORD)]
