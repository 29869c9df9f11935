"""A run's output, page by page or its end."""

from __future__ import annotations

from typing import Any

from query.reads import Reads
from query.scope import make_token, page_size, read_token, run_scope
from runstream.errors import InvalidField
from runstream.v1 import query_pb2

MAX_LINES = 10_000
MAX_PAGE_BYTES = 16 << 20
_FIRST = (-1, 0, "", 0)


async def get_console(reads: Reads, request: query_pb2.GetConsoleRequest) -> query_pb2.GetConsoleResponse:
    """Answers GetConsole.

    Raises:
        InvalidField, NotAllowed: the request cannot be, or is not the caller's.
        StorageUnavailable: ClickHouse cannot answer now.
    """
    run = run_scope("run", request.run)
    size = page_size(request.page_size, default=1000, most=MAX_LINES)
    if request.tail > MAX_LINES:
        raise InvalidField("tail", f"must be at most {MAX_LINES}, or 0 for all lines, not {request.tail}")
    if request.tail and request.page_token:
        raise InvalidField("page_token", "does not go with tail")
    after = read_token(request.page_token, _FIRST)
    place: dict[str, Any] = {"project_id": run.project_id, "run_id": run.run_id}
    ranks = [row["rank"] for row in await reads.rows("console_ranks", **place)]
    wanted: dict[str, Any] = {
        **place,
        "all_ranks": not request.ranks,
        "ranks": list(request.ranks),
        "all_attempts": not request.HasField("attempt"),
        "attempt": request.attempt,
        "from_line": request.from_line_inclusive,
        "contains": request.contains,
        "max_bytes": MAX_PAGE_BYTES,
    }
    response = query_pb2.GetConsoleResponse(ranks=ranks)
    if request.tail:
        shown = set(ranks).intersection(request.ranks or ranks)
        rows = await reads.rows(
            "console_tail",
            fragments={"searched": "console FINAL" if request.contains else "console"},
            tail=max(1, min(request.tail, MAX_LINES // max(len(shown), 1))),
            **wanted,
        )
        response.lines.extend(map(_line, rows))
        return response
    rows = await reads.rows(
        "console_page",
        is_first=after[0] < 0,
        after_attempt=max(after[0], 0),
        after_rank=after[1],
        after_writer=after[2],
        after_line=after[3],
        limit=size + 1,
        **wanted,
    )
    response.lines.extend(map(_line, rows[:size]))
    if rows and (len(rows) > size or sum(len(row["text"].encode()) for row in rows) >= MAX_PAGE_BYTES):
        end = rows[:size][-1]
        response.next_page_token = make_token(end["attempt"], end["rank"], end["writer"], end["line"])
    return response


def _line(row: Any) -> query_pb2.OutputLine:
    return query_pb2.OutputLine(
        rank=row["rank"],
        attempt=row["attempt"],
        writer=row["writer"],
        number=row["line"],
        time_us=row["us"],
        is_stderr=bool(row["is_stderr"]),
        text=row["text"],
    )
