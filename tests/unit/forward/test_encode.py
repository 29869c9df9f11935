"""Spool to wire to columns: what ingest decodes is what was logged, whatever the cuts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import decode
from ingest.keys import StreamKeys
from runstream.forward.encode import KeyTable, batch_points, encode
from runstream.spool.reader import Chunk, SpoolReader
from runstream.spool.rows import Rows
from runstream.spool.writer import SpoolWriter
from runstream.store.points import Place
from runstream.store.records import WriterIdentity
from runstream.v1 import ingest_pb2

WHO = WriterIdentity(Place(1, 2, 3, 4), "e", "p", "r", "w", 1, "host", 5, 6)
KEY_SETS = [("a",), ("b", "a"), ("c", "ü", "a")]
LOGGED = st.lists(st.tuples(st.integers(0, 2), st.integers(-(1 << 60), 1 << 60), st.floats()), max_size=40)


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


@given(LOGGED, st.integers(1, 12), st.integers(80, 400))
def test_round_trip(
    tmp_path_factory: object, logged: list[tuple[int, int, float]], max_points: int, window: int
) -> None:
    directory: Path = tmp_path_factory.mktemp("spool") / "w"  # type: ignore[attr-defined]
    writer = SpoolWriter(directory, {}, segment_max_bytes=500)
    expected = []
    for key_set, step, value in logged:
        keys = KEY_SETS[key_set]
        writer.append_row(dict.fromkeys(keys, value), step, 1000)
        expected += [(key, step, value) for key in keys]
    writer.append_record({"writer": {"state": "RUN_STATE_FINISHED"}})
    writer.close()

    reader, keys_sent, keys_heard = SpoolReader(directory), KeyTable(), StreamKeys(1000)
    found, next_seq, states = [], 1, 0
    while (chunk := reader.read(max_bytes=window)) is not None:
        for batch in encode(chunk, keys_sent, max_points=max_points):
            batch = ingest_pb2.Batch.FromString(batch.SerializeToString())
            assert batch.first_seq == next_seq
            next_seq = batch.last_seq_inclusive + 1
            assert batch_points(batch) <= max(max_points + 3, 3)
            decoded = decode(batch, WHO, keys_heard, max_points=1000)
            assert not decoded.refusals
            states += decoded.writer_state is not None
            for block in decoded.blocks:
                for row, key in np.ndindex(len(block.steps), len(block.keys)):
                    point = (block.keys[key], int(block.steps[row]), float(block.values[key, row]))
                    found.append((int(block.vers[row]), key, *point))
    reader.close()
    found.sort(key=lambda item: item[:2])
    assert len(found) == len(expected)
    for (_, _, key, step, value), (expected_key, expected_step, expected_value) in zip(found, expected, strict=True):
        assert (key, step) == (expected_key, expected_step)
        assert same(value, expected_value)
    assert states == 1


def test_a_key_is_sent_once_a_stream() -> None:
    keys = KeyTable()
    rows = Rows(("a", "b"), np.arange(1, 3), np.arange(2), np.arange(2), np.zeros((2, 2)))
    sent = [
        [definition.key for definition in batch.new_keys]
        for _ in range(2)
        for batch in encode(Chunk(1, 2, rows=[rows]), keys, max_points=100)
    ]
    assert sent == [["a", "b"], []]


def test_fields_of_a_newer_version_are_left_out() -> None:
    chunk = Chunk(1, 1, records=[(1, {"timeUs": "5", "run": {"displayName": "x", "colour": "red"}})])
    (batch,) = encode(chunk, KeyTable(), max_points=10)
    assert (batch.records[0].seq, batch.records[0].run.display_name) == (1, "x")
