"""Messages no sound client would send: fields missing, huge, negative, of wrong lengths, of wrong meaning."""

from __future__ import annotations

from hypothesis import strategies as st

from runstream.v1 import ingest_pb2, record_pb2

U32 = st.sampled_from([0, 1, 2, 3, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]) | st.integers(0, (1 << 32) - 1)
U64 = st.sampled_from([0, 1, 2, 10, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]) | st.integers(0, (1 << 64) - 1)
I32 = st.sampled_from([0, 1, -1, -(1 << 31), (1 << 31) - 1])
I64 = st.sampled_from([0, 1, -1, -(1 << 63), (1 << 63) - 1]) | st.integers(-(1 << 63), (1 << 63) - 1)
# protobuf itself takes no lone surrogate; as an escape in JSON it comes through.
TEXT = st.sampled_from(["", "a", "b", "a\nb", "\0", "a/b", "..", "\u2028", "é" * 300, "x" * 600]) | st.text(max_size=5)
JSON = st.sampled_from(
    ["", "{}", "[]", "{", '{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}', '{"\\udc00": 1}', '{"a": 1, "a": 2}',
     '{"a.b": 1, "a": {"b": 2}}', '{"a": ' + "9" * 400 + "}", '{"a": ' + "9" * 5000 + "}", "[" * 5000,
     '{"a": ' * 40 + "1" + "}" * 40, '{"": {"": [{}]}}', "\ufeff{}", '{"a": "\\u0000"}'],
) | TEXT  # fmt: skip
ENUM = st.integers(0, 12) | I32


@st.composite
def blocks(draw: st.DrawFn) -> record_pb2.Block:
    """Half of them almost sound: each length as it should be or not, ids known or not."""
    rows, keys = draw(st.integers(0, 4)), draw(st.integers(0, 4))

    def about(length: int) -> int:
        return draw(st.sampled_from([length, length, length, length, 0, length + 1, max(0, length - 1)]))

    def many(each: st.SearchStrategy[int], length: int) -> list[int]:
        return draw(st.lists(each, min_size=length, max_size=length))

    ids = list(range(1, keys + 1)) if draw(st.booleans()) else many(st.integers(0, 6) | U32, keys)
    times = st.just(1_700_000_000_000) if draw(st.booleans()) else I64
    offsets = st.just(0) if draw(st.booleans()) else U32
    values = about(rows * keys)
    return record_pb2.Block(
        key_ids=ids,
        steps=many(I64, about(rows)),
        timestamps_ms=many(times, about(rows)),
        seq_offsets=many(offsets, about(rows)),
        values=draw(st.lists(st.floats(), min_size=values, max_size=values)),
    )


LINES = st.builds(record_pb2.ConsoleLine, number=st.integers(0, 2) | U64, time_us=U64, stream=ENUM, text=TEXT)
DIGEST = st.sampled_from(["a" * 64, "a" * 32, ""])
RECEIPTS = st.builds(record_pb2.Receipt, sent=U64, stored=U64, refused=U64, gaps=U64)
STATES = st.builds(record_pb2.WriterState, state=ENUM, exit_code=I32)
RUNS = st.builds(
    record_pb2.RunInfo,
    display_name=st.none() | TEXT,
    group=st.none() | TEXT,
    job_type=st.none() | TEXT,
    notes=st.none() | TEXT,
    tags=st.none() | st.builds(record_pb2.Tags, values=st.lists(TEXT, max_size=3)),
)
RECORDS = (
    st.builds(record_pb2.Record, seq=U64, time_us=U64, run=RUNS)
    | st.builds(
        record_pb2.Record,
        seq=U64,
        time_us=U64,
        document=st.builds(record_pb2.Document, kind=ENUM, json=JSON),
    )
    | st.builds(record_pb2.Record, seq=U64, time_us=U64, writer=STATES)
    | st.builds(
        record_pb2.Record,
        seq=U64,
        time_us=U64,
        refused=st.builds(record_pb2.Refused, reason=ENUM, field=TEXT, message=TEXT, count=U64),
    )
    | st.builds(record_pb2.Record, seq=U64, time_us=U64, receipt=RECEIPTS)
    | st.builds(
        record_pb2.Record,
        seq=U64,
        time_us=U64,
        history=st.builds(record_pb2.HistoryRow, step=I64, timestamp_ms=st.just(9) | I64, json=JSON),
    )
    | st.builds(
        record_pb2.Record,
        seq=U64,
        time_us=U64,
        console=st.builds(record_pb2.ConsoleLines, lines=st.lists(LINES, max_size=4)),
    )
    | st.builds(
        record_pb2.Record,
        seq=U64,
        time_us=U64,
        file=st.builds(record_pb2.RunFile, path=TEXT, size=U64, sha256=DIGEST, md5=DIGEST | TEXT, media_type=TEXT),
    )
    | st.builds(
        record_pb2.Record,
        seq=U64,
        time_us=U64,
        alert=st.builds(record_pb2.Alert, title=TEXT, text=TEXT, level=ENUM),
    )
    | st.builds(record_pb2.Record, seq=U64, time_us=U64)
)
KEYS = st.builds(ingest_pb2.KeyDefinition, id=st.integers(0, 5) | U32, key=TEXT)
BATCHES = st.builds(
    ingest_pb2.Batch,
    first_seq=st.integers(0, 30) | U64,
    last_seq_inclusive=st.integers(0, 60) | U64,
    new_keys=st.lists(KEYS, max_size=5),
    blocks=st.lists(blocks(), max_size=4),
    records=st.lists(RECORDS, max_size=4),
    urgent=st.booleans(),
)
OPENS = st.builds(
    ingest_pb2.Open,
    entity=TEXT,
    project=TEXT,
    run=TEXT,
    attempt=U32,
    rank=U32,
    world_size=U32,
    writer=TEXT,
    host=TEXT,
    process_id=U32,
    started_us=U64,
    state=STATES,
)
REQUESTS = (
    st.builds(ingest_pb2.PublishRequest, batch=BATCHES)
    | st.builds(
        ingest_pb2.PublishRequest,
        heartbeat=st.builds(ingest_pb2.Heartbeat, time_us=U64, so_far=RECEIPTS),
    )
    | st.builds(ingest_pb2.PublishRequest, open=OPENS)
    | st.just(ingest_pb2.PublishRequest())
)
