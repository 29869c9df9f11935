"""History of keys over runs, downsampled by ClickHouse: buckets of steps with min, max, mean, first, last.

Runs of one attempt and one bucket width are read together, by one statement; resumed runs one by one, since
each has its own cuts. A curve of few rows that fell into shared buckets is read again step by step.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from query import metrics
from query.attempts import Cuts, cuts_by_run
from query.buckets import shift_for
from query.reads import Reads
from query.scope import RunScope, by_project, check_count, run_scopes
from runstream.errors import InvalidField
from runstream.v1 import query_pb2
from runstream.wire import packed

MAX_RUNS = 1000
MAX_KEYS = 1000
MAX_BUCKETS = 10_000
DEFAULT_BUCKETS = 1000
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_CURVE = query_pb2.Curve.DESCRIPTOR


@dataclass(frozen=True)
class _Ask:
    """A checked request."""

    keys: list[str]
    ranks: list[int]
    max_buckets: int
    first_step: int
    last_step: int
    by_rank: bool
    attempt: int | None

    def parameters(self) -> dict[str, Any]:
        return {
            "keys": self.keys,
            "from_step": self.first_step,
            "last_step": self.last_step,
            "all_ranks": not self.ranks,
            "ranks": self.ranks,
        }


@dataclass(frozen=True)
class _Slice:
    """One curve's rows in a result."""

    run_id: int
    key: str
    rank: int
    table: pa.Table

    @property
    def points(self) -> int:
        return int(_column(self.table, "points").sum())

    @property
    def is_exact(self) -> bool:
        return bool((_column(self.table, "points") == 1).all())


async def get_history(reads: Reads, request: query_pb2.GetHistoryRequest) -> query_pb2.GetHistoryResponse:
    """Answers GetHistory.

    Raises:
        InvalidField, NotAllowed: the request cannot be, or is not the caller's.
        StorageUnavailable: ClickHouse cannot answer now.
    """
    runs = run_scopes("runs", request.runs, most=MAX_RUNS)
    ask = _checked(request)
    found = await asyncio.gather(*(_project(reads, group, ask) for group in by_project(runs).values()))
    curves = {(each.run_id, each.key, each.rank): each for group in found for each in group}
    response = query_pb2.GetHistoryResponse()
    order = {key: place for place, key in enumerate(ask.keys)}
    by_run: dict[int, list[_Slice]] = {}
    for each in curves.values():
        by_run.setdefault(each.run_id, []).append(each)
    for run in runs:
        for each in sorted(by_run.get(run.run_id, ()), key=lambda c: (order[c.key], c.rank)):
            response.curves.append(_curve(run.name, each, ask))
    return response


async def _project(reads: Reads, runs: Sequence[RunScope], ask: _Ask) -> list[_Slice]:
    """The curves of runs of one project."""
    place: dict[str, Any] = {"project_id": runs[0].project_id, "run_ids": [run.run_id for run in runs]}
    ranges, attempts = await asyncio.gather(
        reads.rows("ranges", **place, keys=ask.keys), reads.rows("attempts", **place)
    )
    cuts = {} if ask.attempt is not None else cuts_by_run(attempts)
    groups: dict[tuple[int, int], list[int]] = {}
    for row in ranges:
        low, high = max(row["low"], ask.first_step), min(row["high"], ask.last_step)
        if low <= high:
            shift = shift_for(low, high, ask.max_buckets)
            groups.setdefault((shift, row["run_id"] if row["run_id"] in cuts else 0), []).append(row["run_id"])
    answers = await asyncio.gather(
        *(_read(reads, place["project_id"], ids, shift, cuts.get(run), ask) for (shift, run), ids in groups.items())
    )
    curves = [curve for answer in answers for curve in answer]
    return curves + await _exact_again(reads, place["project_id"], curves, cuts, ask)


async def _exact_again(
    reads: Reads, project_id: Any, curves: Sequence[_Slice], cuts: Mapping[int, Cuts], ask: _Ask
) -> list[_Slice]:
    """Curves of few rows that share buckets, step by step; they take the place of the first ones."""
    coarse = [curve for curve in curves if curve.points <= ask.max_buckets and not curve.is_exact]
    by_run: dict[int, set[str]] = {}
    for curve in coarse:
        by_run.setdefault(curve.run_id, set()).add(curve.key)
    answers = await asyncio.gather(
        *(
            _read(reads, project_id, [run_id], 0, cuts.get(run_id), _with_keys(ask, sorted(keys)))
            for run_id, keys in by_run.items()
        )
    )
    wanted = {(curve.run_id, curve.key, curve.rank) for curve in coarse}
    return [curve for answer in answers for curve in answer if (curve.run_id, curve.key, curve.rank) in wanted]


async def _read(
    reads: Reads, project_id: Any, run_ids: list[int], shift: int, cuts: Cuts | None, ask: _Ask
) -> list[_Slice]:
    source, parameters = source_of(cuts, ask.attempt)
    table = await reads.arrow(
        "history",
        fragments={"rank_or_zero": "rank" if ask.by_rank else "toUInt32(0)", "source": source},
        project_id=project_id,
        run_ids=run_ids,
        shift=shift,
        **ask.parameters(),
        **parameters,
    )
    return list(_slices(table))


def source_of(cuts: Cuts | None, attempt: int | None) -> tuple[str, dict[str, Any]]:
    """Where points are read from: the fragment's name, and its parameters."""
    if attempt is not None:
        return "source_attempt", {"newest": attempt}
    if cuts is not None:
        return "source_resumed", {"newest": cuts.newest, "attempts": cuts.attempts, "cuts": cuts.cuts}
    return "points FINAL", {}


def _slices(table: pa.Table) -> Iterator[_Slice]:
    """Cuts a sorted result where run, key or rank changes."""
    if not table.num_rows:
        return
    table = table.combine_chunks()
    run_ids, ranks = _column(table, "run_id"), _column(table, "curve_rank")
    keys = table.column("key").combine_chunks()
    if pa.types.is_dictionary(keys.type):
        keys = keys.cast(pa.string())
    names = keys.to_numpy(zero_copy_only=False)
    changes = (run_ids[1:] != run_ids[:-1]) | (ranks[1:] != ranks[:-1]) | (names[1:] != names[:-1])
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), table.num_rows]
    for start, end in itertools.pairwise(edges):
        yield _Slice(int(run_ids[start]), str(names[start]), int(ranks[start]), table.slice(start, end - start))


def _curve(name: str, each: _Slice, ask: _Ask) -> query_pb2.Curve:
    curve = query_pb2.Curve(run=name, key=each.key, exact=each.is_exact)
    if ask.by_rank:
        curve.rank = each.rank
    metrics.buckets_returned.inc(each.table.num_rows)
    columns = (
        ("steps", "first_step", "<i8"),
        ("timestamps_ms", "last_ms", "<i8"),
        ("min", "low", "<f8"),
        ("max", "high", "<f8"),
        ("mean", "mean", "<f8"),
        ("first", "first_value", "<f8"),
        ("last", "last_value", "<f8"),
        ("count", "points", "<u8"),
        ("non_finite_count", "odd", "<u8"),
    )
    curve.MergeFromString(
        b"".join(packed(_CURVE, field, _column(each.table, column).astype(dtype)) for field, column, dtype in columns)
    )
    return curve


def _column(table: pa.Table, name: str) -> npt.NDArray[Any]:
    """A column as numpy; null becomes NaN."""
    return table.column(name).to_numpy()  # type: ignore[no-any-return]


def _checked(request: query_pb2.GetHistoryRequest) -> _Ask:
    keys = list(dict.fromkeys(request.keys))
    check_count("keys", keys, least=1, most=MAX_KEYS)
    if not 0 <= request.max_buckets <= MAX_BUCKETS:
        raise InvalidField("max_buckets", f"must be 1 to {MAX_BUCKETS}, or 0 for {DEFAULT_BUCKETS}")
    first = request.from_step_inclusive if request.HasField("from_step_inclusive") else _INT64_MIN
    last = request.to_step_exclusive - 1 if request.HasField("to_step_exclusive") else _INT64_MAX
    if last < _INT64_MIN:
        raise InvalidField("to_step_exclusive", "must be above the lowest 64-bit integer")
    return _Ask(
        keys=keys,
        ranks=list(request.ranks),
        max_buckets=request.max_buckets or DEFAULT_BUCKETS,
        first_step=first,
        last_step=last,
        by_rank=request.rank_mode != query_pb2.RANK_MODE_ALL,
        attempt=request.attempt if request.HasField("attempt") else None,
    )


def _with_keys(ask: _Ask, keys: list[str]) -> _Ask:
    return _Ask(keys, ask.ranks, ask.max_buckets, ask.first_step, ask.last_step, ask.by_rank, ask.attempt)
