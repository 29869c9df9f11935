"""Many history rows of one key set at once, from arrays to frames with numpy; loaded by ``log_rows`` alone.

The bytes are those that ``append_row`` writes, a frame a row; the test compares them. What remains for Python is a
checksum a row, 0.3 us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from runstream.errors import InvalidField
from runstream.spool.frame import FRAME_HEADER, Kind
from runstream.spool.writer import SpoolWriter

# A write() of this size is as fast as a larger one, and other threads' log() waits for one at most.
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Rows:
    """``steps: int64[R]``, ``times_ms: int64[R]``, ``values: float64[R, K]``."""

    keys: tuple[str, ...]
    steps: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    @classmethod
    def of(cls, steps: Any, data: Mapping[str, Any], timestamps: Any, *, now_ms: int) -> Rows:
        """Takes the arguments of ``log_rows``.

        Raises:
            InvalidField: the arrays are not of one length, or hold no numbers.
        """
        if not isinstance(data, Mapping):
            raise InvalidField("data", f"must be a mapping of keys to arrays, not {type(data).__name__}")
        step_array = _column("steps", steps)
        if step_array.dtype.kind not in "iu" and step_array.size:
            raise InvalidField("steps", f"must be integers, not {step_array.dtype}")
        count = len(step_array)
        if timestamps is None:
            times = np.full(count, now_ms, np.int64)
        else:
            times = np.rint(_numbers("timestamps", timestamps, count) * 1000).astype(np.int64)
        columns = [_numbers(str(key), column, count) for key, column in data.items()]
        values = np.column_stack(columns) if columns else np.empty((count, 0))
        return cls(tuple(data), step_array.astype(np.int64), times, values)

    @property
    def count(self) -> int:
        """Number of rows with something in them."""
        return len(self.steps) if self.keys else 0

    @property
    def last_step(self) -> int:
        """Step of the last row."""
        return int(self.steps[-1])

    def append_to(self, writer: SpoolWriter) -> None:
        """Appends the rows. The caller holds the writer's lock."""
        per_chunk = max(_CHUNK_BYTES // (32 + 8 * len(self.keys)), 1)
        first = 0
        while first < self.count:
            part = self[first : first + per_chunk]
            try:
                alone = 0 if writer.append_frames(part.keys, part.count, part.frames) else part.count
            except KeyError:
                # A row by itself names its schema, has its bad keys refused, and may be too wide for a frame.
                alone = 1
            for index in range(alone):
                part._append_row(writer, index)
            first += alone or part.count

    def frames(self, schema: int) -> bytes:
        """The rows as frames of a schema."""
        layout = np.dtype(
            [
                ("length", "<u4"), ("crc", "<u4"), ("kind", "u1"), ("pad", "u1", (3,)), ("schema", "<u4"),
                ("step", "<i8"), ("time_ms", "<i8"), ("values", "<f8", (len(self.keys),)),
            ]
        )  # fmt: skip
        table = np.zeros(self.count, layout)
        table["length"] = layout.itemsize - FRAME_HEADER.size
        table["kind"], table["schema"] = Kind.ROW, schema
        table["step"], table["time_ms"], table["values"] = self.steps, self.times_ms, self.values
        size, skip = layout.itemsize, FRAME_HEADER.size
        view = memoryview(table.view(np.uint8).data)
        table["crc"] = [crc32(view[start + skip : start + size]) for start in range(0, len(view), size)]
        return table.tobytes()

    def __getitem__(self, part: slice) -> Rows:
        return Rows(self.keys, self.steps[part], self.times_ms[part], self.values[part])

    def _append_row(self, writer: SpoolWriter, index: int) -> None:
        row = dict(zip(self.keys, self.values[index].tolist(), strict=True))
        writer.append_row(row, int(self.steps[index]), int(self.times_ms[index]))


def _column(name: str, given: Any) -> npt.NDArray[Any]:
    try:
        detached = given.detach() if hasattr(given, "detach") else given  # a torch tensor on the graph
        array = np.asarray(detached.cpu() if hasattr(detached, "cpu") else detached)
    except Exception as error:
        raise InvalidField(name, f"must be an array of numbers: {error}") from error
    if array.ndim != 1:
        raise InvalidField(name, f"must have one dimension, not the shape {array.shape}")
    return array


def _numbers(name: str, given: Any, count: int) -> npt.NDArray[np.float64]:
    array = _column(name, given)
    if array.dtype.kind not in "biuf":
        raise InvalidField(name, f"must be an array of numbers, not of {array.dtype}")
    if len(array) != count:
        raise InvalidField(name, f"must have as many values as there are steps, {count}, not {len(array)}")
    return array.astype(np.float64)
