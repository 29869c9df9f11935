"""What a run says that is not a point, as rows of ``runs``, ``run_documents``, ``run_files``, ``writers`` …

What comes in bulk, console lines and values of history rows, has modules of its own that make whole columns.
All of these tables hold under a replay: the newest ver of an attribute or row wins, and a replayed record has
the ver it had before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from runstream.store.points import Place
from runstream.v1 import common_pb2, record_pb2
from runstream.wire import enum_name

Row = tuple[str, Mapping[str, Any] | pa.RecordBatch]
"""A table's name, and a row for it or many of them as columns."""

_UTC_MS = pa.timestamp("ms", tz="UTC")
_UTC_US = pa.timestamp("us", tz="UTC")
_PLACE = [("project_id", pa.uint64()), ("run_id", pa.uint64())]
_WRITER_PLACE = [*_PLACE, ("rank", pa.uint32()), ("attempt", pa.uint32())]
_TEXT = pa.struct([("ver", pa.uint64()), ("value", pa.string())])
_TEXTS = pa.struct([("ver", pa.uint64()), ("value", pa.list_(pa.string()))])

SCHEMAS: Mapping[str, pa.Schema] = {
    "runs": pa.schema(
        [
            *_PLACE,
            ("entity", pa.string()),
            ("project", pa.string()),
            ("run", pa.string()),
            ("created_at", _UTC_MS),
            ("display_name", _TEXT),
            ("run_group", _TEXT),
            ("job_type", _TEXT),
            ("notes", _TEXT),
            ("tags", _TEXTS),
        ]
    ),
    "run_documents": pa.schema(
        [*_WRITER_PLACE, ("kind", pa.string()), ("doc", pa.string()), ("text", pa.string()), ("ver", pa.uint64())]
    ),
    "writers": pa.schema(
        [
            *_WRITER_PLACE,
            ("writer", pa.string()),
            ("world_size", pa.uint32()),
            ("host", pa.string()),
            ("process_id", pa.uint32()),
            ("state", pa.string()),
            ("exit_code", pa.int32()),
            ("started_at", _UTC_MS),
            ("heartbeat_at", _UTC_MS),
            ("sent", pa.uint64()),
            ("stored", pa.uint64()),
            ("refused", pa.uint64()),
            ("complete", pa.bool_()),
            ("ver", pa.uint64()),
        ]
    ),
    "refusals": pa.schema(
        [
            *_WRITER_PLACE,
            ("writer", pa.string()),
            ("seq", pa.uint64()),
            ("reason", pa.string()),
            ("field", pa.string()),
            ("message", pa.string()),
            ("count", pa.uint64()),
            ("ver", pa.uint64()),
        ]
    ),
    "run_files": pa.schema(
        [
            *_WRITER_PLACE,
            ("path", pa.string()),
            ("size", pa.uint64()),
            ("sha256", pa.string()),
            ("md5", pa.string()),
            ("media_type", pa.string()),
            ("ver", pa.uint64()),
        ]
    ),
    "alerts": pa.schema(
        [
            *_WRITER_PLACE,
            ("writer", pa.string()),
            ("seq", pa.uint64()),
            ("ts", _UTC_US),
            ("level", pa.string()),
            ("title", pa.string()),
            ("text", pa.string()),
            ("ver", pa.uint64()),
        ]
    ),
}


@dataclass(frozen=True)
class WriterIdentity:
    """Who writes: what ``open`` said, with the entity it was allowed for."""

    place: Place
    entity: str
    project: str
    run: str
    writer: str
    world_size: int
    host: str
    process_id: int
    started_us: int

    def writer_place(self) -> dict[str, Any]:
        """The columns that place a writer."""
        return self.place._asdict()


def tables(rows: Iterable[Row]) -> dict[str, pa.Table]:
    """Rows grouped by table, as Arrow."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    columns: dict[str, list[pa.RecordBatch]] = {}
    for table, row in rows:
        if isinstance(row, pa.RecordBatch):
            columns.setdefault(table, []).append(row)
        else:
            grouped.setdefault(table, []).append(row)
    made = {table: pa.Table.from_batches(batches) for table, batches in columns.items()}
    return made | {table: pa.Table.from_pylist(group, SCHEMAS[table]) for table, group in grouped.items()}


def run_row(who: WriterIdentity, info: record_pb2.RunInfo | None = None, time_us: int = 0) -> Row:
    """The run's attributes; without ``info``, only that it exists."""
    info = info or record_pb2.RunInfo()

    def text(name: Literal["display_name", "group", "job_type", "notes"]) -> dict[str, Any]:
        return {"ver": time_us, "value": getattr(info, name)} if info.HasField(name) else {"ver": 0, "value": ""}

    return "runs", {
        "project_id": who.place.project_id,
        "run_id": who.place.run_id,
        "entity": who.entity,
        "project": who.project,
        "run": who.run,
        "created_at": who.started_us // 1000,
        "display_name": text("display_name"),
        "run_group": text("group"),
        "job_type": text("job_type"),
        "notes": text("notes"),
        "tags": {"ver": time_us if info.HasField("tags") else 0, "value": list(info.tags.values)},
    }


def document_row(who: WriterIdentity, kind: str, doc: str, text: str, time_us: int) -> Row:
    """A whole document; ``doc`` is JSON that ClickHouse can parse, ``text`` what is given back."""
    return "run_documents", {**who.writer_place(), "kind": kind, "doc": doc, "text": text, "ver": time_us}


def writer_row(
    who: WriterIdentity,
    state: record_pb2.WriterState,
    account: record_pb2.Receipt,
    *,
    time_us: int,
    heard_us: int,
    complete: bool,
) -> Row:
    """A writer's state and account at its own time, heard of at the server's.

    The client's clock orders its statements; the server's tells whether it is still heard of, since clocks of
    two machines differ.
    """
    return "writers", {
        **who.writer_place(),
        "writer": who.writer,
        "world_size": who.world_size,
        "host": who.host,
        "process_id": who.process_id,
        "state": enum_name(common_pb2.RunState, state.state, "RUN_STATE_").lower(),
        "exit_code": state.exit_code,
        "started_at": who.started_us // 1000,
        "heartbeat_at": heard_us // 1000,
        "sent": account.sent,
        "stored": account.stored,
        "refused": account.refused,
        "complete": complete,
        "ver": time_us,
    }


def refusal_row(
    who: WriterIdentity, seq: int, reason: record_pb2.RefusalReason.ValueType, field: str, message: str, count: int
) -> Row:
    """Something refused, by client or server."""
    return "refusals", {
        **who.writer_place(),
        "writer": who.writer,
        "seq": seq,
        "reason": enum_name(record_pb2.RefusalReason, reason, "REFUSAL_REASON_"),
        "field": field,
        "message": message,
        "count": count,
        "ver": seq,
    }


def file_row(who: WriterIdentity, file: record_pb2.RunFile, time_us: int) -> Row:
    """A file of the run; its bytes are a blob of the project."""
    return "run_files", {
        **who.writer_place(),
        "path": file.path,
        "size": file.size,
        "sha256": file.sha256,
        "md5": file.md5,
        "media_type": file.media_type or "application/octet-stream",
        "ver": time_us,
    }


def alert_row(who: WriterIdentity, seq: int, alert: record_pb2.Alert, time_us: int) -> Row:
    """A word to people."""
    level = alert.level or record_pb2.Alert.LEVEL_INFO
    return "alerts", {
        **who.writer_place(),
        "writer": who.writer,
        "seq": seq,
        "ts": time_us,
        "level": record_pb2.Alert.Level.Name(level).removeprefix("LEVEL_").lower(),
        "title": alert.title,
        "text": alert.text,
        "ver": seq,
    }
