"""Records of any content give rows or a refusal that names field and limit; never an exception."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import decode
from ingest.decode_records import MAX_LINE_BYTES, MAX_TEXT_CHARS, MAX_TIME_MS
from ingest.decoded import Decoded
from ingest.keys import StreamKeys
from runstream.rich import MAX_ROW_BYTES, MAX_ROW_KEYS, media_paths, read_row, row_points, type_of
from runstream.store.points import Place
from runstream.store.records import WriterIdentity, tables
from runstream.v1 import ingest_pb2, record_pb2

WHO = WriterIdentity(Place(1, 2, 3, 4), "e", "p", "r", "w", 1, "host", 5, 6)
SHA = "a" * 64
Line = record_pb2.ConsoleLine


def decoded(*records: record_pb2.Record, max_points: int = 100_000) -> Decoded:
    batch = ingest_pb2.Batch(first_seq=10, last_seq_inclusive=20, records=records)
    return decode(batch, WHO, StreamKeys(1000), max_points=max_points)


def rows(result: Decoded, table: str) -> list[dict[str, Any]]:
    found = tables(result.rows).get(table)
    return found.to_pylist() if found else []  # type: ignore[no-any-return]


def history(text: str, step: int = 5, seq: int = 11, timestamp_ms: int = 9) -> record_pb2.Record:
    row = record_pb2.HistoryRow(step=step, timestamp_ms=timestamp_ms, json=text)
    return record_pb2.Record(seq=seq, time_us=7, history=row)


def console(*lines: Line, seq: int = 11) -> record_pb2.Record:
    return record_pb2.Record(seq=seq, console=record_pb2.ConsoleLines(lines=lines))


def test_a_history_row_becomes_a_value_a_key_and_each_is_a_point() -> None:
    image = {"_type": "image-file", "path": "media/x.png"}
    row = {"s": "ü", "n": None, "l": [1, "NaN"], "o": {"a": {}}, "i": image, "is": [image, image], "b": True}
    result = decoded(history(json.dumps(row)))
    assert (result.points, result.refusals) == (7, [])
    values = {each["key"]: each for each in rows(result, "history_values")}
    assert {key: value["type"] for key, value in values.items()} == {
        "s": "string", "n": "null", "l": "list", "o": "object", "i": "image-file", "is": "image-file[]", "b": "bool",
    }  # fmt: skip
    assert {key: json.loads(value["value"]) for key, value in values.items()} == row
    assert {(each["step"], each["rank"], each["attempt"], each["ver"]) for each in values.values()} == {(5, 3, 4, 11)}
    assert [each["key"] for each in rows(result, "history_keys")] == list(row)


def test_history_keys_keep_the_first_row_and_the_highest_step() -> None:
    result = decoded(history('{"a": 1}', step=9, seq=11), history('{"a": "x"}', step=2, seq=12),
                     history('{"a": "y"}', step=9, seq=13))  # fmt: skip
    (key,) = rows(result, "history_keys")
    assert (key["types"], key["min_step"], key["max_step"]) == (["number", "string"], 2, 9)
    assert key["first"] == {"ver": 11, "step": 9}
    assert key["last"] == {"step": 9, "ver": 13, "value": '"y"'}


def test_a_value_too_long_for_a_summary_is_kept_whole_elsewhere() -> None:
    result = decoded(history(json.dumps({"a": "x" * 5000})))
    assert rows(result, "history_keys")[0]["last"]["value"] == ""
    assert len(rows(result, "history_values")[0]["value"]) == 5002


def test_words_that_are_no_json_numbers_become_text_and_half_a_pair_too() -> None:
    result = decoded(history('{"a": [NaN, -Infinity], "b": "\\ud800"}'))
    assert [each["value"] for each in rows(result, "history_values")] == ['["NaN", "-Infinity"]', '"?"']


@pytest.mark.parametrize(
    ("text", "reason", "count", "kept"),
    [
        ("[1]", "MALFORMED", 1, 0),
        ("{", "MALFORMED", 1, 0),
        ("[" * 100_000, "MALFORMED", 1, 0),
        ('{"a": "' + "x" * MAX_ROW_BYTES + '"}', "TOO_LARGE", 1, 0),
        (json.dumps(dict.fromkeys(map(str, range(MAX_ROW_KEYS + 1)))), "TOO_LARGE", MAX_ROW_KEYS + 1, 0),
        ('{"": 1, "a\\nb": 2, "good": 3}', "KEY_CHARACTERS", 2, 1),
        ('{"%s": 1, "\\ud800": 1}' % ("k" * 513), "KEY_CHARACTERS", 2, 0),
        ('{"a": 1e999, "b": 2}', "OUT_OF_RANGE", 1, 1),
    ],
)
def test_what_a_history_row_cannot_be_is_counted_as_its_client_counts_it(
    text: str, reason: str, count: int, kept: int
) -> None:
    result = decoded(history(text), history('{"other": 1}', seq=12))
    (refusal,) = result.refusals
    assert record_pb2.RefusalReason.Name(refusal.reason) == f"REFUSAL_REASON_{reason}"
    assert refusal.field.startswith("history.")
    assert (refusal.count, result.points) == (count, kept + 1)
    assert row_points(text) == count + kept
    assert [row["count"] for row in rows(result, "refusals")] == [count]


def test_a_time_no_column_can_hold_is_refused() -> None:
    for bad in (-1, MAX_TIME_MS + 1):
        (refusal,) = decoded(history('{"a": 1, "b": 2}', timestamp_ms=bad)).refusals
        assert (refusal.field, refusal.count) == ("history.timestamp_ms", 2)
        assert str(MAX_TIME_MS) in refusal.message


def test_lines_of_output_become_columns_and_the_last_of_a_number_stays() -> None:
    lines = [Line(number=n, time_us=n * 10, stream=Line.STREAM_STDERR if n % 2 else 0, text=f"t{n}") for n in range(4)]
    result = decoded(console(*lines, Line(number=2, time_us=99, text="t2 again")))
    found = sorted(rows(result, "console"), key=lambda row: row["line"])
    assert [row["text"] for row in found] == ["t0", "t1", "t2 again", "t3"]
    assert [row["stream"] for row in found] == ["stdout", "stderr", "stdout", "stderr"]
    assert {(row["writer"], row["rank"], row["attempt"], row["ver"]) for row in found} == {("w", 3, 4, 11)}
    assert [table for table, row in result.rows if isinstance(row, pa.RecordBatch)] == ["console"]


def test_a_line_past_its_limit_costs_itself_only() -> None:
    exact, over = "ü" * (MAX_LINE_BYTES // 2), "ü" * (MAX_LINE_BYTES // 2) + "x"
    late = Line(number=4, time_us=1 << 63)
    result = decoded(console(Line(number=1, text=over), Line(number=2, text=exact), Line(number=3), late))
    assert [row["line"] for row in rows(result, "console")] == [2, 3]
    assert {refusal.field for refusal in result.refusals} == {"console.lines.text", "console.lines.time_us"}
    assert str(MAX_LINE_BYTES) in result.refusals[1].message


def test_lines_and_values_share_the_room_of_a_batch() -> None:
    many = console(*(Line(number=n) for n in range(6)))
    result = decoded(history('{"a": 1, "b": 2}'), many, many, history('{"c": 1, "d": 2}'), max_points=9)
    assert [refusal.field for refusal in result.refusals] == ["console.lines", "history.json"]
    assert "limit of a batch is 1 more" in result.refusals[0].message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        *(({"path": path}, "file.path") for path in ("", "/a", "a//b", "../a", "a/..", ".", "a\0", "a\nb", "a\\b")),
        ({"path": "ü" * 513}, "file.path"),
        ({"sha256": "A" * 64}, "file.sha256"),
        ({"sha256": ""}, "file.sha256"),
        ({"md5": "1"}, "file.md5"),
        ({"media_type": "a\r\nb"}, "file.media_type"),
        ({"media_type": "x" * 256}, "file.media_type"),
    ],
)
def test_a_file_that_cannot_be_is_refused_by_field(change: dict[str, str], field: str) -> None:
    good: dict[str, Any] = {"path": "a/b.txt", "size": 5, "sha256": SHA}
    records = [record_pb2.Record(seq=11, time_us=77, file=record_pb2.RunFile(**each)) for each in (good | change, good)]
    result = decoded(*records)
    assert [refusal.field for refusal in result.refusals] == [field]
    (row,) = rows(result, "run_files")
    assert (row["path"], row["media_type"], row["ver"]) == ("a/b.txt", "application/octet-stream", 77)


def test_alerts_and_their_limits() -> None:
    alert = record_pb2.Alert(title="t", text="x", level=record_pb2.Alert.LEVEL_WARN)
    bad = [
        record_pb2.Alert(),
        record_pb2.Alert(title="t", text="x" * (MAX_TEXT_CHARS + 1)),
        record_pb2.Alert(title="t", level=9),  # type: ignore[arg-type]
    ]
    result = decoded(*(record_pb2.Record(seq=12, time_us=5, alert=each) for each in (alert, *bad)))
    assert [refusal.field for refusal in result.refusals] == ["alert.title", "alert.text", "alert.level"]
    assert [(row["level"], row["title"], row["seq"]) for row in rows(result, "alerts")] == [("warn", "t", 12)]


def test_documents_of_every_kind() -> None:
    kinds = [kind for kind in record_pb2.Document.Kind.values() if kind]
    documents = [record_pb2.Document(kind=kind, json='{"a.b": 1, "a": {"b": 2}}') for kind in kinds]
    result = decoded(*(record_pb2.Record(seq=11, document=document) for document in documents))
    assert [row["kind"] for row in rows(result, "run_documents")] == ["config", "summary", "metrics", "metadata"]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("_type"), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_every_value_of_any_row_is_stored_or_counted(row: dict[str, Any]) -> None:
    text = json.dumps(row)
    result = decoded(history(text))
    assert result.points + sum(refusal.count for refusal in result.refusals) == row_points(text) == len(read_row(text))
    assert len(rows(result, "history_values")) == result.points


@given(JSON)
def test_any_value_has_a_type_and_paths_that_are_text(value: Any) -> None:
    assert type_of(value)
    assert all(isinstance(path, str) for path in media_paths(value))


@given(st.binary(max_size=300))
def test_any_record_that_parses_is_answered(data: bytes) -> None:
    try:
        record = record_pb2.Record.FromString(data)
    except Exception:  # grpc answers these itself
        return
    tables(decoded(record).rows)
