"""A run's files by path."""

from __future__ import annotations

from query.reads import Reads
from query.scope import make_token, page_size, read_token, run_scope
from runstream.store.run_files import file_url
from runstream.v1 import query_pb2


async def list_files(reads: Reads, request: query_pb2.ListFilesRequest) -> query_pb2.ListFilesResponse:
    """Answers ListFiles.

    Raises:
        InvalidField, NotAllowed: the request cannot be, or is not the caller's.
        StorageUnavailable: ClickHouse cannot answer now.
    """
    run = run_scope("run", request.run)
    size = page_size(request.page_size, default=1000, most=10_000)
    (after,) = read_token(request.page_token, ("",))
    rows = await reads.rows(
        "files",
        project_id=run.project_id,
        run_id=run.run_id,
        prefix=request.prefix,
        after=after,
        limit=size + 1,
    )
    response = query_pb2.ListFilesResponse()
    for row in rows[:size]:
        ver = row.pop("ver")
        file = response.files.add(**row, url=file_url(run.full_name, row["path"]))
        file.update_time.FromMicroseconds(min(ver, _MAX_TIME_US))
    if len(rows) > size:
        response.next_page_token = make_token(rows[size - 1]["path"])
    return response


# The last microsecond of the year 9999, where protobuf's time ends; a writer's clock may say anything.
_MAX_TIME_US = 253_402_300_799_999_999
