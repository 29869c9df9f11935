"""History rows of one key set, many read at once with numpy. Pure; frame.row_struct is how one is packed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runstream.spool.frame import FRAME_HEADER
from runstream.spool.scan import Frames


@dataclass(frozen=True)
class Rows:
    """Rows of one key set, in the order they were written.

    ``seqs: int64[R]``, ``steps: int64[R]``, ``times_ms: int64[R]``, ``values: float64[R, K]``.
    """

    keys: tuple[str, ...]
    seqs: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    @property
    def points(self) -> int:
        """Number of values."""
        return int(self.values.size)


def read_rows(buffer: bytes, keys: tuple[str, ...], frames: Sequence[Frames], first_seqs: Sequence[int]) -> Rows:
    """Reads rows of one schema.

    Args:
        buffer: what the frames lie in; views of it may be returned.
        keys: the schema's keys.
        frames: the rows' frames, all of the size that the keys need.
        first_seqs: the sequence of the first frame of each.
    """
    frame_type = np.dtype(
        [("frame", "<u8"), ("head", "<u8"), ("step", "<i8"), ("time_ms", "<i8"), ("values", "<f8", (len(keys),))]
    )
    counts = np.array([each.n for each in frames], np.int64)
    # The n-th row of each group: 0, 1, 2, 0, 1, …
    within = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    seqs = np.repeat(np.array(first_seqs, np.int64), counts) + within
    starts = np.array([each.start - FRAME_HEADER.size for each in frames], np.int64)
    if len(frames) == 1:
        rows = np.frombuffer(buffer, frame_type, frames[0].n, int(starts[0]))
    else:
        windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(buffer, np.uint8), frame_type.itemsize)
        rows = windows[np.repeat(starts, counts) + within * frame_type.itemsize].reshape(-1).view(frame_type)
    return Rows(keys, seqs, rows["step"], rows["time_ms"], rows["values"])
