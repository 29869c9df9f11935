"""Alerts of runs or of a whole project, newest first."""

from __future__ import annotations

from query.reads import Reads
from query.scope import make_token, page_size, read_token, runs_or_project
from runstream.v1 import query_pb2

_FIRST = (1 << 62, 0, 0, 0, "", 0)
_PLACE = ("us", "run_id", "rank", "attempt", "writer", "seq")


async def list_alerts(reads: Reads, request: query_pb2.ListAlertsRequest) -> query_pb2.ListAlertsResponse:
    """Answers ListAlerts.

    Raises:
        InvalidField, NotAllowed: the request cannot be, or is not the caller's.
        StorageUnavailable: ClickHouse cannot answer now.
    """
    size = page_size(request.page_size, default=100, most=1000)
    project_ids, run_ids = runs_or_project(request.runs, request.project)
    before = read_token(request.page_token, _FIRST)
    rows = await reads.rows(
        "alerts",
        project_ids=project_ids,
        all_runs=not run_ids,
        run_ids=run_ids,
        limit=size + 1,
        **dict(
            zip(
                ("before_us", "before_run", "before_rank", "before_attempt", "before_writer", "before_seq"),
                before,
                strict=True,
            )
        ),
    )
    response = query_pb2.ListAlertsResponse()
    for row in rows[:size]:
        alert = response.alerts.add(
            run=f"{row['entity']}/{row['project']}/{row['run']}",
            rank=row["rank"],
            attempt=row["attempt"],
            level=row["level"],
            title=row["title"],
            text=row["text"],
        )
        alert.create_time.FromMicroseconds(row["us"])
    if len(rows) > size:
        response.next_page_token = make_token(*(rows[size - 1][name] for name in _PLACE))
    return response
