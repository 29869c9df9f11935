"""Values of history rows that are no numbers, as columns of ``history_values`` and ``history_keys``.

The first has the row key of ``points`` and the same ver. The second has one row a key and call here, of idempotent
states only, so replayed and reordered batches change nothing in either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from runstream.store.points import Place
from runstream.store.records import Row

MAX_SUMMARY_BYTES = 4096


class RichValue(NamedTuple):
    """A value that is no number; ``text`` is its JSON, ``ver`` the sequence of its frame."""

    key: str
    step: int
    time_ms: int
    type: str
    text: str
    ver: int


def value_rows(place: Place, values: Sequence[RichValue]) -> list[Row]:
    """The rows of both tables that values of one writer give."""
    if not values:
        return []
    return [("history_values", _values(place, values)), ("history_keys", _keys(place, values))]


def _values(place: Place, values: Sequence[RichValue]) -> pa.RecordBatch:
    keys, steps, times_ms, types, texts, vers = zip(*values, strict=True)
    return pa.record_batch(
        {
            **_place(place, len(values)),
            "key": pa.array(keys, pa.string()),
            "step": pa.array(steps, pa.int64()),
            "ts": pa.array(np.array(times_ms, np.int64)).view(pa.timestamp("ms", tz="UTC")),
            "type": pa.array(types, pa.string()),
            "value": pa.array(texts, pa.string()),
            "ver": pa.array(vers, pa.uint64()),
        }
    )


def _keys(place: Place, values: Sequence[RichValue]) -> pa.RecordBatch:
    by_key: dict[str, list[RichValue]] = {}
    for value in values:
        by_key.setdefault(value.key, []).append(value)
    groups = by_key.values()
    first = [min(group, key=lambda value: value.ver) for group in groups]
    last = [max(group, key=lambda value: (value.step, value.ver)) for group in groups]
    return pa.record_batch(
        {
            **_place(place, len(groups)),
            "key": pa.array(by_key, pa.string()),
            "types": pa.array([sorted({value.type for value in group}) for group in groups], pa.list_(pa.string())),
            "min_step": pa.array([min(value.step for value in group) for group in groups], pa.int64()),
            "max_step": pa.array([value.step for value in last], pa.int64()),
            "first": _struct(ver=_uint64(value.ver for value in first), step=_int64(value.step for value in first)),
            "last": _struct(
                step=_int64(value.step for value in last),
                ver=_uint64(value.ver for value in last),
                value=pa.array([_for_summary(value.text) for value in last], pa.string()),
            ),
        }
    )


def _place(place: Place, count: int) -> dict[str, npt.NDArray[Any]]:
    return {
        "project_id": np.full(count, place.project_id, np.uint64),
        "run_id": np.full(count, place.run_id, np.uint64),
        "rank": np.full(count, place.rank, np.uint32),
        "attempt": np.full(count, place.attempt, np.uint32),
    }


def _for_summary(text: str) -> str:
    return text if len(text.encode()) <= MAX_SUMMARY_BYTES else ""


def _struct(**columns: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays(list(columns.values()), list(columns))


def _int64(values: Iterable[int]) -> pa.Array:
    return pa.array(list(values), pa.int64())


def _uint64(values: Iterable[int]) -> pa.Array:
    return pa.array(list(values), pa.uint64())
