"""Metric names of runs or of a whole project, by name, with search."""

from __future__ import annotations

from query.reads import Reads
from query.scope import make_token, page_size, project_scope, read_token, run_scopes
from runstream.errors import InvalidField
from runstream.v1 import query_pb2


async def list_keys(reads: Reads, request: query_pb2.ListKeysRequest) -> query_pb2.ListKeysResponse:
    """Answers ListKeys.

    Raises:
        InvalidField, NotAllowed: the request cannot be, or is not the caller's.
        StorageUnavailable: ClickHouse cannot answer now.
    """
    size = page_size(request.page_size, default=1000, most=10_000)
    if request.runs:
        runs = run_scopes("runs", request.runs, most=1000)
        project_ids, run_ids = sorted({run.project_id for run in runs}), [run.run_id for run in runs]
    elif request.project:
        project_ids, run_ids = [project_scope("project", request.project).project_id], []
    else:
        raise InvalidField("project", "is needed when runs is empty")
    (after,) = read_token(request.page_token, ("",))
    rows = await reads.rows(
        "keys",
        project_ids=project_ids,
        all_runs=not run_ids,
        run_ids=run_ids,
        contains=request.contains,
        after=after,
        limit=size + 1,
    )
    keys = [row["key"] for row in rows[:size]]
    return query_pb2.ListKeysResponse(keys=keys, next_page_token=make_token(keys[-1]) if len(rows) > size else "")
