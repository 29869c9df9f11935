"""Lines of output as records of the spool. Pure; the training process and the forwarder both say them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from runstream.capture.line import Line

# A frame of the spool and a message of the wire hold far more; smaller ones keep a slow reader's memory small.
_MAX_LINES = 1_000
_MAX_CHARS = 1 << 20


def console_records(lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    """Records, in proto3 JSON, that say the lines in their order."""
    part: list[dict[str, str]] = []
    chars = 0
    for line in lines:
        if part and (len(part) == _MAX_LINES or chars + len(line.text) > _MAX_CHARS):
            yield {"console": {"lines": part}}
            part, chars = [], 0
        stream = f"STREAM_{line.stream.upper()}"
        part.append({"number": str(line.number), "timeUs": str(line.time_us), "stream": stream, "text": line.text})
        chars += len(line.text)
    if part:
        yield {"console": {"lines": part}}
