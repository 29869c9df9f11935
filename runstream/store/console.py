"""Lines of output as columns of ``console``: a burst of 10,000 lines is one Arrow batch, no row in Python.

A line has its number in its writer for ever; said again it has a higher ver, the frame's sequence, so replayed
and reordered records leave the newest text (docs/design.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from runstream.store.records import Row, WriterIdentity
from runstream.v1 import record_pb2

_STREAMS = pa.array(["stdout", "stderr"], pa.string())


def console_rows(who: WriterIdentity, seq: int, lines: Sequence[record_pb2.ConsoleLine]) -> Row:
    """The lines of one record; of those with the same number, the last."""
    kept = lines
    numbers = np.array([line.number for line in lines], np.uint64)
    if len(np.unique(numbers)) < len(lines):
        kept = list({line.number: line for line in lines}.values())
        numbers = np.array([line.number for line in kept], np.uint64)
    count = len(kept)
    times_us = np.array([line.time_us for line in kept], np.int64)
    is_stderr = np.array([line.stream == record_pb2.ConsoleLine.STREAM_STDERR for line in kept], np.int8)
    columns = {
        "project_id": np.full(count, who.place.project_id, np.uint64),
        "run_id": np.full(count, who.place.run_id, np.uint64),
        "attempt": np.full(count, who.place.attempt, np.uint32),
        "rank": np.full(count, who.place.rank, np.uint32),
        "writer": pa.array([who.writer], pa.string()).take(np.zeros(count, np.int8)),
        "line": numbers,
        "ts": pa.array(times_us).view(pa.timestamp("us", tz="UTC")),
        "stream": _STREAMS.take(is_stderr),
        "text": pa.array([line.text for line in kept], pa.string()),
        "ver": np.full(count, seq, np.uint64),
    }
    return "console", pa.record_batch({name: pa.array(column) for name, column in columns.items()})
