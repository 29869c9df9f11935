"""Latest values of keys over runs: from ``series`` in a few ms, from points where a resume cut some off."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from query.attempts import cuts_by_run
from query.history import source_of
from query.reads import Reads
from query.scope import RunScope, by_project, check_count, run_scopes
from runstream.v1 import query_pb2

MAX_RUNS = 1000
MAX_KEYS = 1000


async def get_latest(reads: Reads, request: query_pb2.GetLatestRequest) -> query_pb2.GetLatestResponse:
    """Answers GetLatest.

    Raises:
        InvalidField, NotAllowed: the request cannot be, or is not the caller's.
        StorageUnavailable: ClickHouse cannot answer now.
    """
    runs = run_scopes("runs", request.runs, most=MAX_RUNS)
    check_count("keys", request.keys, least=0, most=MAX_KEYS)
    keys, ranks = list(dict.fromkeys(request.keys)), list(request.ranks)
    found = await asyncio.gather(*(_project(reads, group, keys, ranks) for group in by_project(runs).values()))
    place = {run.run_id: place for place, run in enumerate(runs)}
    values = [(run_id, value) for group in found for run_id, value in group]
    values.sort(key=lambda item: (place[item[0]], item[1].key, item[1].rank))
    return query_pb2.GetLatestResponse(values=[value for _, value in values])


async def _project(
    reads: Reads, runs: Sequence[RunScope], keys: list[str], ranks: list[int]
) -> list[tuple[int, query_pb2.LatestValue]]:
    names = {run.run_id: run.name for run in runs}
    wanted: dict[str, Any] = {"all_keys": not keys, "keys": keys, "all_ranks": not ranks, "ranks": ranks}
    place: dict[str, Any] = {"project_id": runs[0].project_id, "run_ids": list(names)}
    cuts = cuts_by_run(await reads.rows("attempts", **place))
    values: list[tuple[int, query_pb2.LatestValue]] = []
    whole = [run_id for run_id in names if run_id not in cuts]
    for row in await reads.rows("latest", **wanted, project_id=place["project_id"], run_ids=whole):
        last = row["last_row"]
        value = query_pb2.LatestValue(
            run=names[row["run_id"]],
            key=row["key"],
            rank=row["rank"],
            step=last["step"],
            value=last["value"],
            timestamp_ms=row["last_ms"],
        )
        values.append((row["run_id"], value))
    for run_id, cut in cuts.items():
        run_keys = keys or [row["key"] for row in await _all_keys(reads, runs[0].project_id, run_id)]
        source, parameters = source_of(cut, None)
        table = await reads.arrow(
            "latest_resumed",
            fragments={"source": source},
            project_id=place["project_id"],
            run_ids=[run_id],
            keys=run_keys,
            all_ranks=not ranks,
            ranks=ranks,
            **parameters,
        )
        for row in table.to_pylist():
            value = query_pb2.LatestValue(
                run=names[run_id],
                key=row["key"],
                rank=row["rank"],
                step=row["last_step"],
                value=row["last_value"],
                timestamp_ms=row["last_ms"],
            )
            values.append((run_id, value))
    return values


async def _all_keys(reads: Reads, project_id: int, run_id: int) -> list[dict[str, str]]:
    rows = await reads.rows(
        "keys", project_ids=[project_id], all_runs=False, run_ids=[run_id], contains="", after="", limit=10_000
    )
    return [{"key": row["key"]} for row in rows]
