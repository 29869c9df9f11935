"""Points into ClickHouse: blocks to one sorted Arrow table, inserted once.

Exactly once (I2): the row key (project, run, key, step, rank, attempt) makes a point that comes again replace itself,
in whatever grouping and through whatever replica, and ver, the writer's frame sequence, is the same on every way, so
the copy is the same value.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

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

    A segment is one key of one block. Segments are sorted, not points: the points of a segment stay as they
    came, by step for each writer, and the engine sorts the rest faster than numpy would.
    """
    blocks = [_by_key(block) for block in blocks]
    key_sets = dict.fromkeys(block.keys for block in blocks)
    names = next(iter(key_sets)) if len(key_sets) == 1 else sorted({*itertools.chain(*key_sets)})
    codes_of = {keys: _codes(keys, names) for keys in key_sets}
    runs = {run: code for code, run in enumerate(sorted({block.place[:2] for block in blocks}))}
    key_counts = [len(block.keys) for block in blocks]

    def each_segment(per_block: Iterable[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        return np.repeat(np.fromiter(per_block, dtype, len(blocks)), key_counts)

    key_codes = np.concatenate([codes_of[block.keys] for block in blocks])
    sizes = each_segment((len(block.steps) for block in blocks), np.int64)
    order = _order(each_segment((runs[block.place[:2]] for block in blocks), np.int64) << 32 | key_codes)
    rows = None if order is None else _rows_of(order, sizes)

    def spread(segments: npt.NDArray[Any]) -> pa.Array:
        return pa.array(np.repeat(segments, sizes) if order is None else np.repeat(segments[order], sizes[order]))

    def place(field: int, dtype: npt.DTypeLike) -> pa.Array:
        return spread(each_segment((block.place[field] for block in blocks), dtype))

    def column(parts: Iterable[npt.NDArray[Any]]) -> pa.Array:
        values = np.concatenate(list(parts))
        return pa.array(values if rows is None else values[rows])

    return pa.table(
        {
            "project_id": place(0, np.uint64),
            "run_id": place(1, np.uint64),
            "key": pa.DictionaryArray.from_arrays(spread(key_codes), pa.array(names, pa.string())),
            "step": column(np.tile(block.steps, len(block.keys)) for block in blocks),
            "rank": place(2, np.uint32),
            "attempt": place(3, np.uint32),
            "ts": column(np.tile(block.times_ms, len(block.keys)) for block in blocks).view(_UTC_MS),
            "value": column(block.values.reshape(-1) for block in blocks),
            "ver": column(np.tile(block.vers, len(block.keys)) for block in blocks),
        }
    )


@lru_cache(maxsize=16)  # of a run that logs 100,000 keys a row, sorting them costs more than their points
def ordered(keys: tuple[str, ...]) -> tuple[tuple[str, ...], npt.NDArray[np.intp] | None]:
    """Keys in order, and the permutation that orders them; None if they are in order."""
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp)
    if bool((order == np.arange(len(keys))).all()):
        return keys, None
    return tuple(keys[index] for index in order), order


def _by_key(block: PointBlock) -> PointBlock:
    """The block with its keys in order: whole rows of values move, which is cheap."""
    keys, order = ordered(block.keys)
    return block if order is None else replace(block, keys=keys, values=block.values[order])


def _codes(keys: tuple[str, ...], names: Sequence[str]) -> npt.NDArray[np.int32]:
    """The places of keys, which are in order, among names, which are too."""
    if keys is names:
        return np.arange(len(keys), dtype=np.int32)
    place = {name: index for index, name in enumerate(names)}
    return np.array([place[key] for key in keys], np.int32)


def _order(segments: npt.NDArray[np.int64]) -> npt.NDArray[np.intp] | None:
    """The stable permutation that sorts segments; None if they are sorted."""
    if bool((segments[1:] >= segments[:-1]).all()):
        return None
    return np.argsort(segments, kind="stable")


def _rows_of(order: npt.NDArray[np.intp], sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The permutation of points that moves whole segments into an order."""
    starts = (sizes.cumsum() - sizes)[order]
    counts = sizes[order]
    return np.arange(counts.sum()) + np.repeat(starts - (counts.cumsum() - counts), counts)
