"""The writer: what is returned is on disk, what is refused is counted, no trouble of a disk raises."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runstream.spool.logged import MAX_KEYS_PER_ROW
from runstream.spool.reader import SpoolReader
from runstream.spool.writer import SpoolWriter
from runstream.values.image import Image


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    made = SpoolWriter(tmp_path / "w", {"run": "x"})
    yield made
    made.close()


def read_back(directory: Path) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Rows in order, and records."""
    reader = SpoolReader(directory)
    rows: list[tuple[int, dict[str, object]]] = []
    records: list[dict[str, object]] = []
    while (chunk := reader.read()) is not None:
        assert (chunk.damaged_bytes, chunk.lost_seqs) == (0, 0)
        records += [record for _, record in chunk.records]
        for each in chunk.rows:
            for index, seq in enumerate(each.seqs.tolist()):
                values = dict(zip(each.keys, each.values[index].tolist(), strict=True))
                rows.append((seq, {"step": int(each.steps[index]), **values}))
    reader.close()
    return [row for _, row in sorted(rows, key=lambda item: item[0])], records


def test_rows_of_changing_key_sets_come_back_in_order(writer: SpoolWriter) -> None:
    logged: list[Mapping[str, float]] = [{"a": 1.0}, {"b": 2.0, "a": 3.0}, {"a": 4.0}, {"a": 5.0, "b": 6.0}]
    for step, row in enumerate(logged):
        writer.append_row(row, step, 1000)
    rows, _ = read_back(writer.directory)
    assert rows == [{"step": step, **row} for step, row in enumerate(logged)]
    assert writer.sent_points == 6


@pytest.mark.parametrize("value", [True, 3, np.float32(0.5), np.int64(7), np.array([2.0]), np.array(4)])
def test_what_is_a_number_is_kept(writer: SpoolWriter, value: object) -> None:
    writer.append_row({"a": value}, 0, 1000)
    rows, _ = read_back(writer.directory)
    assert rows == [{"step": 0, "a": float(np.asarray(value).reshape(-1)[0])}]
    assert writer.unreported_points == 0


@pytest.mark.parametrize(
    ("data", "reason", "field"),
    [
        ({"a": b"bytes"}, "NOT_A_NUMBER", "a"),
        ({"a": 1j}, "NOT_A_NUMBER", "a"),
        ({"a": object()}, "NOT_A_NUMBER", "a"),
        ({"a": 10**400}, "OUT_OF_RANGE", "a"),
        ({"": 1}, "KEY_LENGTH", ""),
        ({5: 1}, "KEY_LENGTH", "5"),
        ({"k" * 10_000: 1}, "KEY_LENGTH", "k" * 200),
        ({"a\nb": 1}, "KEY_CHARACTERS", "'a\\nb'"),
        ({"a\ud800": 1}, "KEY_CHARACTERS", "'a\\ud800'"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name_and_its_neighbours_stay(
    writer: SpoolWriter, data: dict[str, object], reason: str, field: str
) -> None:
    writer.append_row({**data, "good": 1}, 3, 1000)
    assert writer.all_sent_points == 2
    (refused,) = writer.flush_refusals()
    assert (refused.reason, refused.field, refused.count) == (reason, field, 1)
    rows, records = read_back(writer.directory)
    assert rows == [{"step": 3, "good": 1.0}]
    assert [record["refused"]["reason"] for record in records] == [f"REFUSAL_REASON_{reason}"]  # type: ignore[index]


def histories(directory: Path) -> list[tuple[int, dict[str, object]]]:
    """Step and content of each record of rich values."""
    records: list[Any] = [record["history"] for record in read_back(directory)[1] if "history" in record]
    return [(int(history["step"]), json.loads(history["json"])) for history in records]


def test_what_is_no_number_is_a_record_beside_the_row_and_counted(writer: SpoolWriter) -> None:
    array = np.array([1.0, np.nan])
    writer.append_row({"loss": 0.5, "text": "ü", "none": None, "list": [1, "x"], "array": array}, 7, 1000)
    assert writer.all_sent_points == 5
    assert writer.flush_refusals() == []
    assert read_back(writer.directory)[0] == [{"step": 7, "loss": 0.5}]
    assert histories(writer.directory) == [(7, {"text": "ü", "none": None, "list": [1, "x"], "array": [1.0, "NaN"]})]


def test_a_file_is_recorded_before_the_row_that_names_it(writer: SpoolWriter) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    writer.append_row({"picture": Image(pixels, caption="c")}, 3, 1000)
    writer.append_row({"picture": Image(pixels)}, 4, 1000)
    kinds = [sorted(set(record) - {"timeUs"}) for record in read_back(writer.directory)[1]]
    assert kinds == [["file"], ["history"]] * 2
    (_, first), (_, second) = histories(writer.directory)
    picture: Any = first["picture"]
    assert (picture["_type"], picture["width"], picture["caption"]) == ("image-file", 2, "c")
    assert picture["sha256"] == second["picture"]["sha256"]  # type: ignore[index]
    kept = writer.directory / "files" / picture["path"]
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == picture["sha256"]


def test_rich_values_of_many_keys_become_as_many_records_as_the_wire_wants(writer: SpoolWriter) -> None:
    row = {f"k{number}": "x" * 200_000 for number in range(12)} | {f"n{number}": None for number in range(9_000)}
    writer.append_row(row, 1, 1000)
    found = histories(writer.directory)
    assert all(len(content) <= 5_000 and len(json.dumps(content)) <= 2 << 20 for _, content in found)
    assert {key: value for _, content in found for key, value in content.items()} == row
    assert writer.all_sent_points == len(row)


def test_I3_rich_values_that_find_no_room_are_counted(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "w", {}, max_bytes=400_000)
    for step in range(100):
        writer.append_row({"text": "x" * 10_000, "loss": 1.0}, step, 1000)
    kept = len(histories(writer.directory)) + len(read_back(writer.directory)[0])
    lost = writer.unreported_points
    assert 0 < kept < 200
    assert kept + lost == writer.all_sent_points == 200
    writer.close()


@pytest.mark.parametrize("step", ["x", 1.5, None, 1 << 63, -(1 << 63) - 1])
def test_a_step_that_cannot_be_refuses_its_whole_row(writer: SpoolWriter, step: object) -> None:
    writer.append_row({"a": 1, "b": 2}, step, 1000)  # type: ignore[arg-type]
    (refused,) = writer.flush_refusals()
    assert (refused.reason, refused.field, refused.count) == ("OUT_OF_RANGE", "step", 2)


def test_nested_mappings_are_flattened_and_every_value_is_counted(writer: SpoolWriter) -> None:
    writer.append_row({"a": {"b": 1, "c": {"d": 2}, 7: 4}, "e": 3}, 0, 1000)
    rows, _ = read_back(writer.directory)
    assert rows == [{"step": 0, "a.b": 1.0, "a.c.d": 2.0, "a.7": 4.0, "e": 3.0}]
    assert writer.sent_points == 4


def test_two_values_for_one_flattened_key_are_one_point_and_one_refusal(writer: SpoolWriter) -> None:
    writer.append_row({"a.b": 1, "a": {"b": 2}}, 0, 1000)
    rows, _ = read_back(writer.directory)
    assert rows == [{"step": 0, "a.b": 2.0}]
    (refused,) = writer.flush_refusals()
    assert (refused.reason, refused.field, refused.count) == ("DUPLICATE_KEY", "a.b", 1)


def test_a_row_wider_than_a_frame_becomes_several(writer: SpoolWriter) -> None:
    row = {f"k{index}": float(index) for index in range(MAX_KEYS_PER_ROW + 5)}
    writer.append_row(row, 1, 1000)
    rows, _ = read_back(writer.directory)
    assert {key: value for part in rows for key, value in part.items() if key != "step"} == row


def test_latest_is_the_last_value_of_each_key_over_segments(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "w", {}, segment_max_bytes=300)
    for step in range(100):
        writer.append_row({"a": step} if step % 2 else {"a": step, "b": -step}, step, 1000)
    assert writer.latest() == {"a": 99.0, "b": -98.0}
    assert len(list(writer.directory.glob("*.spool"))) > 10
    rows, _ = read_back(writer.directory)
    assert [row["a"] for row in rows] == list(range(100))
    writer.close()


def test_a_row_of_which_nothing_is_kept_leaves_no_frame(writer: SpoolWriter) -> None:
    with writer.lock:
        writer.append_row({"k" * 10_000: 1.0}, 0, 0)
        writer.flush_refusals()
    chunk = SpoolReader(writer.directory).read()
    assert chunk is not None
    assert (chunk.rows, chunk.last_seq_inclusive, len(chunk.records)) == ([], 1, 1)


def test_the_sequence_begins_where_it_is_told_to(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "later", {}, after_seq=10**15)
    with writer.lock:
        writer.append_row({"loss": 1.0}, 0, 0)
    writer.close()
    chunk = SpoolReader(writer.directory, after_seq=10**15).read()
    assert chunk is not None
    assert (chunk.first_seq, chunk.lost_seqs) == (10**15 + 1, 0)
    assert [each.seqs.tolist() for each in chunk.rows] == [[10**15 + 2]]


def test_threads_share_a_writer_and_no_row_is_lost(writer: SpoolWriter) -> None:
    def log(number: int) -> None:
        for step in range(500):
            with writer.lock:
                writer.append_row({f"t{number}": step}, step, 1000)

    threads = [threading.Thread(target=log, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows, _ = read_back(writer.directory)
    for number in range(4):
        assert [row["step"] for row in rows if f"t{number}" in row] == list(range(500))


def test_the_lock_is_held_while_the_writer_lives_and_free_after(writer: SpoolWriter) -> None:
    def is_free() -> bool:
        fd = os.open(writer.directory / "writer.lock", os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    assert not is_free()
    writer.close()
    assert is_free()


def test_a_forked_child_lets_go_of_its_parents_files(writer: SpoolWriter) -> None:
    writer.append_row({"a": 1}, 0, 1000)
    child = os.fork()
    if child == 0:
        writer.append_row({"a": 2}, 1, 1000)  # into nothing: a child's run opens a spool of its own
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    writer.append_row({"a": 3}, 2, 1000)
    rows, _ = read_back(writer.directory)
    assert [row["a"] for row in rows] == [1.0, 3.0]


def test_records_carry_their_time(writer: SpoolWriter) -> None:
    assert writer.append_record({"run": {"displayName": "x"}})
    _, (record,) = read_back(writer.directory)
    assert record["run"] == {"displayName": "x"}
    assert int(str(record["timeUs"])) > 1_600_000_000_000_000


def test_identity_is_beside_the_segments(writer: SpoolWriter) -> None:
    assert json.loads((writer.directory / "writer.json").read_text()) == {"run": "x"}


def test_a_lone_surrogate_in_a_record_becomes_a_question_mark(writer: SpoolWriter) -> None:
    assert writer.append_record({"document": {"kind": "KIND_CONFIG", "json": '{"a": "\ud800"}'}})
    _, (record,) = read_back(writer.directory)
    assert record["document"] == {"kind": "KIND_CONFIG", "json": '{"a": "?"}'}
