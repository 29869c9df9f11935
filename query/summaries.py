"""Summaries of runs: the latest value of each key, or what its metric definition asks for, under what the user set.

Ranges come from ``series`` in a few ms; points are read for means, for first values (one point each), and where
a resume cut off some of a range.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from query.attempts import Cuts, cuts_by_run, valid_now
from query.definitions import Definitions
from query.reads import Reads
from runstream.errors import InvalidField

Place = tuple[int, str]
"""A run's id and a key."""


@dataclass(frozen=True)
class Ask:
    """Whose summaries: runs of one project, by id.

    ``keys`` are the wanted ones; without any, the first ``keys_limit`` by name of each run.
    """

    project_id: int
    run_ids: Sequence[int]
    keys: list[str]
    keys_limit: int
    with_means: bool


@dataclass
class _Range:
    """What is known of the numbers of a key, of the lowest rank that logged it."""

    rank: int
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    first: float | None = None
    attempts: list[Mapping[str, Any]] = field(default_factory=list)


async def summaries(
    reads: Reads, ask: Ask, definitions: Mapping[int, Definitions], user: Mapping[int, Mapping[str, Any]]
) -> dict[int, dict[str, Any]]:
    """The summary of each run, without those that have none.

    Args:
        reads: statements.
        ask: whose.
        definitions: metric definitions of the runs that have some.
        user: what ``run.summary`` set.
    """
    found = await _latest(reads, ask)
    hows = {
        place: hows for place in found if place[0] in definitions and (hows := definitions[place[0]].hows(place[1]))
    }
    ranges = await _ranges(reads, ask, {place: each for place, each in hows.items() if each != ["none"]})
    made: dict[int, dict[str, Any]] = {run_id: {} for run_id in ask.run_ids}
    for place, value in found.items():
        run_id, key = place
        if place not in hows:
            made[run_id][key] = value
        elif place in ranges:
            made[run_id][key] = _summed_up(hows[place], value, ranges[place], definitions[run_id].is_maximized(key))
        elif hows[place] != ["none"] and not isinstance(value, (int, float)):
            made[run_id][key] = value  # it has no numbers, so it has no range
    return {run_id: {**made[run_id], **user.get(run_id, {})} for run_id in made}


async def _latest(reads: Reads, ask: Ask) -> dict[Place, Any]:
    """The latest value of each key, numbers and others, whichever is later."""
    parameters: dict[str, Any] = {
        "project_id": ask.project_id,
        "run_ids": list(ask.run_ids),
        "all_keys": not ask.keys,
        "keys": ask.keys,
        "keys_limit": ask.keys_limit,
    }
    numbers, others = await asyncio.gather(
        reads.rows("summaries", fragments={"last_rows": "series"}, **parameters),
        reads.rows("summaries", fragments={"last_rows": "history_keys"}, **parameters),
    )
    found: dict[Place, tuple[tuple[int, ...], Any]] = {}
    for row in (*numbers, *others):
        place = (row["run_id"], row["key"])
        when = (row["newest"], -row["lowest"], row["step"], row["ver"])
        if place not in found or found[place][0] < when:
            found[place] = (when, _json_value(row["value"]))
    return {place: value for place, (_, value) in found.items() if value is not _TOO_LONG}


async def _ranges(reads: Reads, ask: Ask, hows: Mapping[Place, Sequence[str]]) -> dict[Place, _Range]:
    if not hows:
        return {}
    run_ids, keys = sorted({run for run, _ in hows}), sorted({key for _, key in hows})
    place: dict[str, Any] = {"project_id": ask.project_id, "run_ids": run_ids}
    rows, attempts = await asyncio.gather(
        reads.rows("summary_series", **place, keys=keys), reads.rows("attempts", **place)
    )
    cuts = cuts_by_run(attempts)
    ranges: dict[Place, _Range] = {}
    for row in rows:
        if (row["run_id"], row["key"]) in hows:
            known = ranges.setdefault((row["run_id"], row["key"]), _Range(row["rank"]))
            known.low, known.high = _least(known.low, row["low"]), _most(known.high, row["high"])
            known.attempts.append(row)
    await asyncio.gather(
        _read_points(
            reads, ask, cuts, {p: r for p, r in ranges.items() if _needs_points(r, cuts.get(p[0]), hows[p], ask)}
        ),
        _read_firsts(reads, ask, cuts, {p: r for p, r in ranges.items() if "first" in hows[p]}),
    )
    return ranges


def _needs_points(known: _Range, cuts: Cuts | None, hows: Sequence[str], ask: Ask) -> bool:
    if ask.with_means and "mean" in hows:
        return True
    return any(row["last_step"] >= _cut(cuts, row["attempt"]) for row in known.attempts)


async def _read_points(reads: Reads, ask: Ask, cuts: Mapping[int, Cuts], ranges: Mapping[Place, _Range]) -> None:
    if not ranges:
        return
    valid, parameters = valid_now({run: cuts[run] for run, _ in ranges if run in cuts})
    try:
        rows = await reads.rows(
            "summary_points",
            fragments={"valid": valid},
            project_id=ask.project_id,
            run_ids=sorted({run for run, _ in ranges}),
            keys=sorted({key for _, key in ranges}),
            ranks=sorted({known.rank for known in ranges.values()}),
            **parameters,
        )
    except InvalidField:
        if ask.with_means:
            raise
        return  # a page of very long resumed runs: the ranges with what was cut off are better than no page
    for row in rows:
        known = ranges.get((row["run_id"], row["key"]))
        if known is not None and known.rank == row["rank"]:
            known.low, known.high = row["low"], row["high"]
            known.mean = row["mean"] if ask.with_means else None


async def _read_firsts(reads: Reads, ask: Ask, cuts: Mapping[int, Cuts], ranges: Mapping[Place, _Range]) -> None:
    """Sets the value of the first row of the first attempt of which that row is still valid."""
    firsts = []
    for (run_id, key), known in ranges.items():
        valid = [row for row in known.attempts if row["first_step"] < _cut(cuts.get(run_id), row["attempt"])]
        if valid:
            firsts.append((run_id, key, valid[0]["first_step"], known.rank, valid[0]["attempt"]))
    if not firsts:
        return
    run_ids, keys, steps, ranks, attempts = (list(column) for column in zip(*firsts, strict=True))
    rows = await reads.rows(
        "summary_firsts",
        project_id=ask.project_id,
        run_ids=run_ids,
        keys=keys,
        steps=steps,
        ranks=ranks,
        attempts=attempts,
    )
    for row in rows:
        ranges[row["run_id"], row["key"]].first = row["value"]


def _summed_up(hows: Sequence[str], last: Any, known: _Range, is_maximized: bool) -> dict[str, Any]:
    values = {
        "min": known.low,
        "max": known.high,
        "mean": known.mean,
        "first": known.first,
        "best": known.high if is_maximized else known.low,
    }
    numbers = {how: _json_number(value) for how in hows if (value := values.get(how)) is not None}
    return {how: last if how == "last" else numbers[how] for how in hows if how == "last" or how in numbers}


def _cut(cuts: Cuts | None, attempt: int) -> float:
    """The step from which on an attempt's points are hidden."""
    return dict(zip(cuts.attempts, cuts.cuts, strict=True)).get(attempt, math.inf) if cuts else math.inf


_TOO_LONG = object()


def _json_value(value: float | str) -> Any:
    """A number, or the JSON of another value; empty if that is too long for a summary."""
    if isinstance(value, str):
        return json.loads(value) if value else _TOO_LONG
    return _json_number(value)


def _json_number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _least(left: float | None, right: float | None) -> float | None:
    return min((each for each in (left, right) if each is not None), default=None)


def _most(left: float | None, right: float | None) -> float | None:
    return max((each for each in (left, right) if each is not None), default=None)
