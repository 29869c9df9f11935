"""Lines of output as columns of ``console``: a burst of 10,000 lines is one Arrow batch, no dict a row.

A line has its number in its writer for ever; said again it has a higher ver, the frame's sequence, so replayed
and reordered records leave the newest text (docs/design.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from runstream.store.records import Row, WriterIdentity
from runstream.v1 import record_pb2

_STREAMS = pa.array(["stdout", "stderr"], pa.string())


class OutputLine(NamedTuple):
    """A line of output: its number, when it was written, a ConsoleLine.Stream, its text."""

    number: int
    time_us: int
    stream: int
    text: str


def console_rows(who: WriterIdentity, seq: int, lines: Sequence[OutputLine]) -> Row:
    """The lines of one record, at least one; of those with the same number, the last."""
    by_number = {line.number: line for line in lines}
    numbers, times_us, streams, texts = zip(*by_number.values(), strict=True)
    count = len(by_number)
    is_stderr = np.array(streams, np.int64) == record_pb2.ConsoleLine.STREAM_STDERR
    columns = {
        "project_id": np.full(count, who.place.project_id, np.uint64),
        "run_id": np.full(count, who.place.run_id, np.uint64),
        "attempt": np.full(count, who.place.attempt, np.uint32),
        "rank": np.full(count, who.place.rank, np.uint32),
        "writer": pa.array([who.writer], pa.string()).take(np.zeros(count, np.int8)),
        "line": np.array(numbers, np.uint64),
        "ts": pa.array(np.array(times_us, np.int64)).view(pa.timestamp("us", tz="UTC")),
        "stream": _STREAMS.take(is_stderr.astype(np.int8)),
        "text": pa.array(texts, pa.string()),
        "ver": np.full(count, seq, np.uint64),
    }
    return "console", pa.record_batch({name: pa.array(column) for name, column in columns.items()})
