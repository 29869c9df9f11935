"""Records of a batch to rows and values, or what is bad about them. Pure.

A record is refused alone; of history rows and console lines a key or a line may be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from ingest.decode_documents import filterable, is_shallow
from ingest.decoded import Bad, Decoded
from runstream import rich
from runstream.documents import MAX_DEPTH
from runstream.names import MAX_KEY_BYTES, has_control_characters, path_problem
from runstream.store.console import OutputLine, console_rows
from runstream.store.history_values import RichValue
from runstream.store.records import WriterIdentity, alert_row, document_row, file_row, refusal_row, run_row
from runstream.v1 import common_pb2, record_pb2

MAX_DOCUMENT_BYTES = 4 << 20
MAX_TEXT_CHARS = 65_536
MAX_TAGS = 1000
MAX_LINE_BYTES = 64 << 10
# What ClickHouse's DateTime64(3) holds: 1900 to 2299; a clock before 1970 is a broken one.
MAX_TIME_MS = 10_413_791_999_999

_WRITER_STATES = frozenset(common_pb2.RunState.values()) - {common_pb2.RUN_STATE_UNSPECIFIED}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"(?:[0-9a-f]{32})?")
_MEDIA_TYPE = re.compile(r"[\x20-\x7e]{0,255}")
_DOCUMENT_KINDS = {
    record_pb2.Document.KIND_CONFIG: "config",
    record_pb2.Document.KIND_SUMMARY: "summary",
    record_pb2.Document.KIND_METRICS: "metrics",
    record_pb2.Document.KIND_METADATA: "metadata",
}


def decode_record(record: record_pb2.Record, who: WriterIdentity, result: Decoded, room: int) -> Iterator[Bad]:
    """Adds what a record says to ``result`` and yields what of it is refused.

    Args:
        record: any record.
        who: the writer.
        result: what is known of the batch so far.
        room: how many points and lines the batch may still hold.

    Raises:
        Bad: the whole record is refused.
    """
    result.time_us = max(result.time_us, record.time_us)
    reader = _READERS.get(record.WhichOneof("kind") or "")
    if reader is not None:
        yield from reader(record, who, result, room) or ()


def _run(record: record_pb2.Record, who: WriterIdentity, result: Decoded, room: int) -> None:
    run = record.run
    if len(run.tags.values) > MAX_TAGS:
        raise Bad(record_pb2.REFUSAL_REASON_TOO_LARGE, "run", f"a run has at most {MAX_TAGS} tags")
    for text in (run.display_name, run.group, run.job_type, run.notes, *run.tags.values):
        _check_text("run", text)
    result.rows.append(run_row(who, run, record.time_us))


def _document(record: record_pb2.Record, who: WriterIdentity, result: Decoded, room: int) -> None:
    document = record.document
    kind = _DOCUMENT_KINDS.get(document.kind)
    if kind is None:
        known = ", ".join(_DOCUMENT_KINDS.values())
        raise Bad(record_pb2.REFUSAL_REASON_MALFORMED, "document.kind", f"kind must be one of {known}")
    size = len(document.json.encode())
    if size > MAX_DOCUMENT_BYTES:
        message = f"{kind} has {size} bytes of JSON, the limit is {MAX_DOCUMENT_BYTES}"
        raise Bad(record_pb2.REFUSAL_REASON_TOO_LARGE, kind, message)
    try:
        text = filterable(document.json)
    except ValueError as error:
        message = f"{kind} is no JSON object: {error}"
        raise Bad(record_pb2.REFUSAL_REASON_MALFORMED, kind, message) from error
    result.rows.append(document_row(who, kind, text, document.json, record.time_us))


def _writer(record: record_pb2.Record, who: WriterIdentity, result: Decoded, room: int) -> None:
    if record.writer.state not in _WRITER_STATES:
        raise Bad(record_pb2.REFUSAL_REASON_MALFORMED, "writer.state", f"no such state: {record.writer.state}")
    result.writer_state = record.writer


def _refused(record: record_pb2.Record, who: WriterIdentity, result: Decoded, room: int) -> None:
    refused = record.refused
    field, message = refused.field[:MAX_KEY_BYTES], refused.message[:MAX_TEXT_CHARS]
    result.rows.append(refusal_row(who, record.seq, refused.reason, field, message, refused.count))


def _receipt(record: record_pb2.Record, who: WriterIdentity, result: Decoded, room: int) -> None:
    result.receipt = record.receipt


def _history(record: record_pb2.Record, who: WriterIdentity, result: Decoded, room: int) -> Iterator[Bad]:
    row = record.history
    try:
        values = rich.read_row(row.json)
    except ValueError as error:
        is_large = len(row.json.encode()) > rich.MAX_ROW_BYTES
        reason = record_pb2.REFUSAL_REASON_TOO_LARGE if is_large else record_pb2.REFUSAL_REASON_MALFORMED
        raise Bad(reason, "history.json", f"not read: {error}", count=1) from error
    limit = min(rich.MAX_ROW_KEYS, room)
    if len(values) > limit:
        message = f"a row of {len(values)} keys, the limit is {limit}"
        raise Bad(record_pb2.REFUSAL_REASON_TOO_LARGE, "history.json", message, count=len(values))
    if not 0 <= row.timestamp_ms <= MAX_TIME_MS:
        message = f"time must be 0 to {MAX_TIME_MS} ms since 1970, not {row.timestamp_ms}"
        raise Bad(record_pb2.REFUSAL_REASON_OUT_OF_RANGE, "history.timestamp_ms", message, count=len(values))
    malformed = unwritable = deep = 0
    shallow = is_shallow(row.json, values)
    for key, value in values.items():
        if not key or len(key.encode(errors="replace")) > MAX_KEY_BYTES or has_control_characters(key):
            malformed += 1
            continue
        if not (shallow or is_shallow(row.json, {key: value})):
            deep += 1
            continue
        try:
            text = _as_json(value)
        except ValueError:
            unwritable += 1
            continue
        result.values.append(RichValue(key, row.step, row.timestamp_ms, rich.type_of(value), text, record.seq))
    if malformed:
        message = f"{malformed} keys are not 1 to {MAX_KEY_BYTES} bytes long or contain control characters"
        yield Bad(record_pb2.REFUSAL_REASON_KEY_CHARACTERS, "history.key", message, count=malformed)
    if deep:
        message = f"{deep} values are nested over {MAX_DEPTH} deep"
        yield Bad(record_pb2.REFUSAL_REASON_MALFORMED, "history.json", message, count=deep)
    if unwritable:
        message = f"{unwritable} values hold a number past 64-bit floats"
        yield Bad(record_pb2.REFUSAL_REASON_OUT_OF_RANGE, "history.json", message, count=unwritable)


def _console(record: record_pb2.Record, who: WriterIdentity, result: Decoded, room: int) -> Iterator[Bad]:
    lines = record.console.lines
    if len(lines) > room:
        message = f"the limit of a batch is {room} more lines, the record has {len(lines)}"
        raise Bad(record_pb2.REFUSAL_REASON_TOO_LARGE, "console.lines", message)
    # One look at each: reading a field of a message costs as much as all that is done with it.
    made = [OutputLine(line.number, line.time_us, line.stream, line.text) for line in lines]
    timely = [line for line in made if line.time_us <= MAX_TIME_MS * 1000]
    # A text of so few characters fits whatever they are; the others are rare enough to be measured.
    good = [
        line for line in timely if len(line.text) <= MAX_LINE_BYTES // 4 or len(line.text.encode()) <= MAX_LINE_BYTES
    ]
    if good:
        result.rows.append(console_rows(who, record.seq, good))
    if late := len(made) - len(timely):
        message = f"{late} lines have a time past {MAX_TIME_MS} ms since 1970"
        yield Bad(record_pb2.REFUSAL_REASON_OUT_OF_RANGE, "console.lines.time_us", message)
    if long := len(timely) - len(good):
        message = f"{long} lines have over {MAX_LINE_BYTES} bytes"
        yield Bad(record_pb2.REFUSAL_REASON_TOO_LARGE, "console.lines.text", message)


def _file(record: record_pb2.Record, who: WriterIdentity, result: Decoded, room: int) -> None:
    file = record.file
    problem = path_problem(file.path)
    if problem:
        raise Bad(record_pb2.REFUSAL_REASON_MALFORMED, "file.path", f"{file.path[:200]!a} {problem}")
    for field, pattern, form in (
        ("sha256", _SHA256, "64 lower-case hex digits"),
        ("md5", _MD5, "32 lower-case hex digits, or empty"),
        ("media_type", _MEDIA_TYPE, "at most 255 characters of ASCII"),
    ):
        if not pattern.fullmatch(getattr(file, field)):
            raise Bad(record_pb2.REFUSAL_REASON_MALFORMED, f"file.{field}", f"must be {form}, for {file.path[:200]}")
    result.rows.append(file_row(who, file, record.time_us))


def _alert(record: record_pb2.Record, who: WriterIdentity, result: Decoded, room: int) -> None:
    alert = record.alert
    if not alert.title:
        raise Bad(record_pb2.REFUSAL_REASON_MALFORMED, "alert.title", "must not be empty")
    _check_text("alert.title", alert.title)
    _check_text("alert.text", alert.text)
    if alert.level not in record_pb2.Alert.Level.values():
        raise Bad(record_pb2.REFUSAL_REASON_MALFORMED, "alert.level", f"{alert.level} is no level")
    if record.time_us > MAX_TIME_MS * 1000:
        message = f"time must be at most {MAX_TIME_MS} ms since 1970"
        raise Bad(record_pb2.REFUSAL_REASON_OUT_OF_RANGE, "alert.time_us", message)
    result.rows.append(alert_row(who, record.seq, alert, record.time_us))


_Reader = Callable[[record_pb2.Record, WriterIdentity, Decoded, int], Iterator[Bad] | None]
_READERS: dict[str, _Reader] = {
    "run": _run,
    "document": _document,
    "writer": _writer,
    "refused": _refused,
    "receipt": _receipt,
    "history": _history,
    "console": _console,
    "file": _file,
    "alert": _alert,
}


def _check_text(where: str, text: str) -> None:
    if len(text) > MAX_TEXT_CHARS:
        message = f"a text has {len(text)} characters, the limit is {MAX_TEXT_CHARS}"
        raise Bad(record_pb2.REFUSAL_REASON_TOO_LARGE, where, message)


def _as_json(value: object) -> str:
    """JSON as it is stored. Half a surrogate pair, which JSON may escape and is no text, becomes "?"."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode(errors="replace").decode()
