"""Spools written for tests, and all that a reader makes of one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from runstream.spool.frame import row_struct
from runstream.spool.reader import Chunk, SpoolReader
from runstream.spool.writer import SpoolWriter

Point = tuple[int, str, int, float]
"""Sequence, key, step, value."""


@dataclass
class Found:
    """What a reader answered until it had no more to say."""

    points: list[Point] = field(default_factory=list)
    records: list[tuple[int, str]] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Sequences said to be lost."""
        return sum(chunk.lost_seqs + sum(n for _, n in chunk.senseless) for chunk in self.chunks)

    @property
    def damaged_bytes(self) -> int:
        """Bytes said to be damaged."""
        return sum(chunk.damaged_bytes for chunk in self.chunks)


def read_all(reader: SpoolReader, *, is_final: bool = True, max_bytes: int = 1 << 20) -> Found:
    """Asks a reader until it has no more to say; ranges must go on and hold what they answer."""
    found = Found()
    last = 0
    while (chunk := reader.read(max_bytes=max_bytes, is_final=is_final)) is not None or (
        is_final and reader.is_in_doubt
    ):
        if chunk is None:
            continue
        assert chunk.first_seq > last
        assert chunk.last_seq_inclusive >= chunk.first_seq - 1
        last = max(last, chunk.last_seq_inclusive)
        found.chunks.append(chunk)
        found.records += [(seq, repr(record)) for seq, record in chunk.records]
        for rows in chunk.rows:
            assert rows.values.shape == (len(rows.seqs), len(rows.keys))
            for index, seq in enumerate(rows.seqs.tolist()):
                assert chunk.first_seq <= seq <= chunk.last_seq_inclusive
                values = rows.values[index].tolist()
                found.points += [
                    (seq, key, int(rows.steps[index]), value) for key, value in zip(rows.keys, values, strict=True)
                ]
    found.points.sort(key=lambda point: point[:2])
    return found


def same(left: list[Point], right: list[Point]) -> bool:
    """Whether points are the same; NaN is NaN."""
    return [(*point[:3], "nan" if math.isnan(point[3]) else point[3]) for point in left] == [
        (*point[:3], "nan" if math.isnan(point[3]) else point[3]) for point in right
    ]


def write_spool(directory: Path, rows: int, *, segment_max_bytes: int = 1 << 20) -> list[Path]:
    """A spool of rows of two key sets and some records; returns its segments."""
    writer = SpoolWriter(directory, {}, segment_max_bytes=segment_max_bytes)
    for step in range(rows):
        writer.append_row({"a": step + 0.5} if step % 3 else {"a": step + 0.5, "ü": -step}, step, 1_700_000_000_000)
        if step % 5 == 4:
            writer.append_record({"run": {"displayName": f"name {step}"}})
    writer.close()
    return sorted(directory.glob("*.spool"))


def row_body(schema: int, step: int, *values: float) -> bytes:
    """The body of a row."""
    return row_struct(len(values)).pack(1, schema, step, 1_700_000_000_000, *values)
