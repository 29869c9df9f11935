"""A line of console output, and how lines travel from the pump to the training process.

Apart from what makes them, so that a training process does not load that.
"""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

Stream = Literal["stdout", "stderr"]
STREAMS: tuple[Stream, Stream] = ("stdout", "stderr")


class Line(NamedTuple):
    """One line of output. A later one of the same number replaces it."""

    number: int
    stream: Stream
    time_us: int
    text: str


# Pump to training process: stream or FLUSHED, number, time_us, bytes of text that follow.
FRAME = struct.Struct("<BQQI")
FLUSHED = 255

# Training process to pump: operation, number. Acked are the first so many lines; flushes are counted.
ORDER = struct.Struct("<cQ")
ACK, FLUSH, GOODBYE = b"A", b"F", b"Q"
