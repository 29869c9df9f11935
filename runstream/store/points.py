"""Points into ClickHouse: blocks to one sorted Arrow table, inserted once.

Exactly once (I2), in two layers. A retry of the same insert carries the same token and is dropped whole. A
replay after a crash comes in another grouping, so with another token; then the row key (project, run, key,
step, rank, attempt) makes each point replace itself, and ver, the writer's frame sequence, is the same on
every way, so the replayed value is the same value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_UTC_MS = pa.timestamp("ms", tz="UTC")


class Place(NamedTuple):
    """Where points belong, apart from key and step."""

    project_id: int
    run_id: int
    rank: int
    attempt: int


@dataclass(frozen=True)
class PointBlock:
    """Rows of one key set of one writer.

    ``keys``: K names. ``steps``, ``times_ms: int64[R]``; ``vers: uint64[R]``; ``values: float64[K, R]``.
    """

    place: Place
    keys: tuple[str, ...]
    steps: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    vers: npt.NDArray[np.uint64]
    values: npt.NDArray[np.float64]

    @property
    def points(self) -> int:
        """Number of values."""
        return int(self.values.size)


def merged(blocks: Iterable[PointBlock]) -> list[PointBlock]:
    """Joins blocks of the same place and keys into one each: fewer, longer columns."""
    groups: dict[tuple[Place, tuple[str, ...]], list[PointBlock]] = {}
    for block in blocks:
        groups.setdefault((block.place, block.keys), []).append(block)
    return [
        group[0]
        if len(group) == 1
        else PointBlock(
            place,
            keys,
            np.concatenate([block.steps for block in group]),
            np.concatenate([block.times_ms for block in group]),
            np.concatenate([block.vers for block in group]),
            np.concatenate([block.values for block in group], axis=1),
        )
        for (place, keys), group in groups.items()
    ]


def points_table(blocks: Sequence[PointBlock]) -> pa.Table:
    """All points of the blocks, sorted by project, run and key, as ``points`` wants them.

    Within a key they stay in the order of the blocks, which is by step for each writer: the engine sorts the
    rest faster than numpy would.
    """
    names = sorted({key for block in blocks for key in block.keys})
    codes = {name: code for code, name in enumerate(names)}
    runs = sorted({block.place[:2] for block in blocks})
    run_codes = {run: code for code, run in enumerate(runs)}

    def spread(per_block: Iterable[int], dtype: npt.DTypeLike) -> npt.NDArray[np.generic]:
        return np.repeat(np.fromiter(per_block, dtype, len(blocks)), [block.points for block in blocks])

    key_codes = np.concatenate(
        [np.repeat(np.array([codes[key] for key in block.keys], np.int32), len(block.steps)) for block in blocks]
    )
    order = _order(np.asarray(spread((run_codes[block.place[:2]] for block in blocks), np.int64)), key_codes)

    def column(values: npt.NDArray[np.generic]) -> pa.Array:
        return pa.array(values if order is None else values[order])

    def tiled(name: str) -> npt.NDArray[np.generic]:
        return np.concatenate([np.tile(getattr(block, name), len(block.keys)) for block in blocks])

    return pa.table(
        {
            "project_id": column(spread((block.place.project_id for block in blocks), np.uint64)),
            "run_id": column(spread((block.place.run_id for block in blocks), np.uint64)),
            "key": pa.DictionaryArray.from_arrays(column(key_codes), pa.array(names, pa.string())),
            "step": column(tiled("steps")),
            "rank": column(spread((block.place.rank for block in blocks), np.uint32)),
            "attempt": column(spread((block.place.attempt for block in blocks), np.uint32)),
            "ts": column(tiled("times_ms")).view(_UTC_MS),
            "value": column(np.concatenate([block.values.reshape(-1) for block in blocks])),
            "ver": column(tiled("vers")),
        }
    )


def _order(run_codes: npt.NDArray[np.generic], key_codes: npt.NDArray[np.int32]) -> npt.NDArray[np.intp] | None:
    """The permutation that sorts by run and key, stably; None if they are sorted."""
    group = (np.asarray(run_codes, np.int64) << 32) | key_codes
    if bool((group[1:] >= group[:-1]).all()):
        return None
    return np.argsort(group, kind="stable")
