"""One row a (run, key, rank, attempt) and batch: latest value, step and value ranges.

Every column is an idempotent state (min or max), so replayed and reordered batches change nothing, and the
rows need not be inserted in one step with their points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from runstream.store.points import PointBlock

_UTC_MS = pa.timestamp("ms", tz="UTC")


def series_table(blocks: Sequence[PointBlock]) -> pa.Table:
    """The rows that the blocks add to ``series``; a block gives one row a key."""
    key_counts = [len(block.keys) for block in blocks]

    def spread(per_block: Sequence[int], dtype: npt.DTypeLike) -> pa.Array:
        return pa.array(np.repeat(np.array(per_block, dtype), key_counts))

    last = [_last_row(block) for block in blocks]
    first = [int(block.vers.argmin()) for block in blocks]
    lows, highs = zip(*(_finite_range(block.values) for block in blocks), strict=True)
    return pa.table(
        {
            "project_id": spread([block.place.project_id for block in blocks], np.uint64),
            "run_id": spread([block.place.run_id for block in blocks], np.uint64),
            "key": pa.array([key for block in blocks for key in block.keys], pa.string()),
            "rank": spread([block.place.rank for block in blocks], np.uint32),
            "attempt": spread([block.place.attempt for block in blocks], np.uint32),
            "first_ts": spread([int(block.times_ms.min()) for block in blocks], np.int64).view(_UTC_MS),
            "last_ts": spread([int(block.times_ms.max()) for block in blocks], np.int64).view(_UTC_MS),
            "min_step": spread([int(block.steps.min()) for block in blocks], np.int64),
            "max_step": spread([int(block.steps.max()) for block in blocks], np.int64),
            "first": pa.StructArray.from_arrays(
                [
                    spread([int(block.vers[row]) for block, row in zip(blocks, first, strict=True)], np.uint64),
                    spread([int(block.steps[row]) for block, row in zip(blocks, first, strict=True)], np.int64),
                ],
                ["ver", "step"],
            ),
            "last": pa.StructArray.from_arrays(
                [
                    spread([int(block.steps[row]) for block, row in zip(blocks, last, strict=True)], np.int64),
                    spread([int(block.vers[row]) for block, row in zip(blocks, last, strict=True)], np.uint64),
                    pa.array(np.concatenate([block.values[:, row] for block, row in zip(blocks, last, strict=True)])),
                ],
                ["step", "ver", "value"],
            ),
            "min_value": _or_null(np.concatenate(lows)),
            "max_value": _or_null(np.concatenate(highs)),
        }
    )


def _last_row(block: PointBlock) -> int:
    """The row with the highest (step, ver)."""
    at_last_step = np.flatnonzero(block.steps == block.steps.max())
    return int(at_last_step[block.vers[at_last_step].argmax()])


def _finite_range(
    values: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Smallest and largest finite value of each key, NaN where there is none. ``values: float64[K, R]``."""
    low, high = values.min(axis=1), values.max(axis=1)
    odd = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
    for key in odd:  # rare: only keys that hold a NaN or an infinity
        finite = values[key][np.isfinite(values[key])]
        low[key], high[key] = (finite.min(), finite.max()) if finite.size else (np.nan, np.nan)
    return low, high


def _or_null(values: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))
