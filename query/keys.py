"""Names of what runs or a whole project logged, numbers and other values, with search."""

from __future__ import annotations

from query.reads import Reads
from query.scope import make_token, page_size, read_token, runs_or_project
from runstream.v1 import query_pb2


async def list_keys(reads: Reads, request: query_pb2.ListKeysRequest) -> query_pb2.ListKeysResponse:
    """Answers ListKeys.

    Raises:
        InvalidField, NotAllowed: the request cannot be, or is not the caller's.
        StorageUnavailable: ClickHouse cannot answer now.
    """
    size = page_size(request.page_size, default=1000, most=10_000)
    project_ids, run_ids = runs_or_project(request.runs, request.project)
    (after,) = read_token(request.page_token, ("",))
    rows = await reads.rows(
        "all_keys",
        project_ids=project_ids,
        all_runs=not run_ids,
        run_ids=run_ids,
        contains=request.contains,
        after=after,
        limit=size + 1,
    )
    return query_pb2.ListKeysResponse(
        keys=[row["key"] for row in rows[:size] if row["has_numbers"]],
        rich_keys=[
            query_pb2.RichKey(
                key=row["key"], types=sorted(row["types"]), min_step=row["min_step"], max_step=row["max_step"]
            )
            for row in rows[:size]
            if row["types"]
        ],
        next_page_token=make_token(rows[size - 1]["key"]) if len(rows) > size else "",
    )
