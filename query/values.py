"""Values of history rows that are no numbers, page by page: text, lists, objects, media with their addresses."""

from __future__ import annotations

import asyncio
import json

from query.attempts import cuts_by_run, valid_now
from query.reads import Reads
from query.scope import RunScope, by_project, check_count, make_token, page_size, read_token, run_scopes
from runstream.errors import InvalidField
from runstream.rich import media_paths
from runstream.store.run_files import file_url
from runstream.v1 import query_pb2

MAX_RUNS = 1000
MAX_KEYS = 1000
MAX_PAGE_BYTES = 16 << 20
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_FIRST = (0, "", _INT64_MIN, -1)


async def get_history_values(
    reads: Reads, request: query_pb2.GetHistoryValuesRequest
) -> query_pb2.GetHistoryValuesResponse:
    """Answers GetHistoryValues.

    Raises:
        InvalidField, NotAllowed: the request cannot be, or is not the caller's.
        StorageUnavailable: ClickHouse cannot answer now.
    """
    runs = run_scopes("runs", request.runs, most=MAX_RUNS)
    check_count("keys", request.keys, least=1, most=MAX_KEYS)
    size = page_size(request.page_size, default=1000, most=10_000)
    after = read_token(request.page_token, _FIRST)
    first = request.from_step_inclusive if request.HasField("from_step_inclusive") else _INT64_MIN
    last = request.to_step_exclusive - 1 if request.HasField("to_step_exclusive") else _INT64_MAX
    if last < _INT64_MIN:
        raise InvalidField("to_step_exclusive", "must be above the lowest 64-bit integer")
    valid, parameters = await _valid(reads, runs, request)
    rows = await reads.rows(
        "history_values",
        fragments={"valid": valid},
        project_ids=sorted({run.project_id for run in runs}),
        run_ids=[run.run_id for run in runs],
        keys=list(request.keys),
        from_step=first,
        last_step=last,
        all_ranks=not request.ranks,
        ranks=list(request.ranks),
        after_place=after[0],
        after_key=after[1],
        after_step=after[2],
        after_rank=after[3],
        limit=size + 1,
        max_bytes=MAX_PAGE_BYTES,
        **parameters,
    )
    response = query_pb2.GetHistoryValuesResponse()
    for row in rows[:size]:
        run = runs[row["place"] - 1]
        paths = media_paths(json.loads(row["value"])) if row["type"] not in _WITHOUT_FILES else []
        response.values.add(
            run=run.name,
            key=row["key"],
            step=row["step"],
            rank=row["rank"],
            attempt=row["attempt"],
            timestamp_ms=row["ms"],
            type=row["type"],
            json=row["value"],
            urls=[file_url(run.full_name, path) for path in paths],
        )
    # A page that was cut by its bytes has fewer rows and a next one too; that of the last row costs one look more.
    if rows and (len(rows) > size or sum(len(row["value"].encode()) for row in rows) >= MAX_PAGE_BYTES):
        end = rows[:size][-1]
        response.next_page_token = make_token(end["place"], end["key"], end["step"], end["rank"])
    return response


_WITHOUT_FILES = {"null", "bool", "number", "string", "list", "object"}


async def _valid(
    reads: Reads, runs: list[RunScope], request: query_pb2.GetHistoryValuesRequest
) -> tuple[str, dict[str, object]]:
    if request.HasField("attempt"):
        return "attempt = {attempt:UInt32}", {"attempt": request.attempt}
    attempts = await asyncio.gather(
        *(
            reads.rows("attempts", project_id=project_id, run_ids=[run.run_id for run in group])
            for project_id, group in by_project(runs).items()
        )
    )
    return valid_now(cuts_by_run([row for rows in attempts for row in rows]))
