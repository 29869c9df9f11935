"""History rows of one key set, many read at once with numpy. Pure; frame.row_struct is how one is packed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ROW_PREFIX_BYTES = 24  # kind, padding, schema, step, time


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


def read_rows(buffer: bytes, keys: tuple[str, ...], starts: Sequence[int], seqs: Sequence[int]) -> Rows:
    """Reads rows of one schema whose bodies begin at the given offsets.

    Neighbouring rows (the usual case) are read in place; scattered ones are gathered first.
    """
    key_count = len(keys)
    body_bytes = ROW_PREFIX_BYTES + 8 * key_count
    row_type = np.dtype(
        [("head", "<u8"), ("step", "<i8"), ("time_ms", "<i8"), ("values", "<f8", (key_count,)), ("frame", "<u8")]
    )
    offsets = np.asarray(starts, dtype=np.int64)
    stride = body_bytes + 8  # the next frame's header lies between two bodies
    bodies = np.zeros((len(offsets), stride), np.uint8)
    if len(offsets) == 1 or bool((np.diff(offsets) == stride).all()):
        flat = bodies.reshape(-1)
        flat[:-8] = np.frombuffer(buffer, np.uint8, count=len(flat) - 8, offset=int(offsets[0]))
    else:
        windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(buffer, np.uint8), body_bytes)
        bodies[:, :body_bytes] = windows[offsets]
    rows = bodies.reshape(-1).view(row_type)
    return Rows(keys, np.asarray(seqs, np.int64), rows["step"], rows["time_ms"], rows["values"])
