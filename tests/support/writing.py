"""A writer that speaks the stream by hand: for what no sound client would send."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import grpc

from runstream.v1 import ingest_pb2, ingest_pb2_grpc, record_pb2


def open_message(run: str, *, project: str = "p", **fields: object) -> ingest_pb2.PublishRequest:
    """The first message."""
    made = {
        "entity": "",
        "project": project,
        "run": run,
        "writer": "w",
        "attempt": 1,
        "started_us": 1_700_000_000_000_000,
    }
    return ingest_pb2.PublishRequest(open=ingest_pb2.Open(**(made | fields)))  # type: ignore[arg-type]


def batch(
    first: int, rows: Sequence[tuple[int, float]], *, key: str = "a", last: int | None = None
) -> ingest_pb2.PublishRequest:
    """Rows (step, value) of one key, a sequence each."""
    block = record_pb2.Block(
        key_ids=[1],
        steps=[step for step, _ in rows],
        timestamps_ms=[1_700_000_000_000 + step for step, _ in rows],
        values=[value for _, value in rows],
        seq_offsets=range(len(rows)),
    )
    return ingest_pb2.PublishRequest(
        batch=ingest_pb2.Batch(
            first_seq=first,
            last_seq_inclusive=first + len(rows) - 1 if last is None else last,
            new_keys=[ingest_pb2.KeyDefinition(id=1, key=key)],
            blocks=[block],
            urgent=True,
        )
    )


def said(*records: record_pb2.Record) -> ingest_pb2.PublishRequest:
    """Records, in the order of their sequence, as one batch."""
    return ingest_pb2.PublishRequest(
        batch=ingest_pb2.Batch(
            first_seq=records[0].seq, last_seq_inclusive=records[-1].seq, records=records, urgent=True
        )
    )


def history_row(seq: int, step: int, **values: Any) -> record_pb2.Record:
    """A history row of values that are no numbers."""
    row = record_pb2.HistoryRow(step=step, timestamp_ms=1_700_000_000_000 + step, json=json.dumps(values))
    return record_pb2.Record(seq=seq, time_us=1_700_000_000_000_000 + seq, history=row)


def output(seq: int, *lines: tuple[int, str], is_stderr: bool = False) -> record_pb2.Record:
    """Lines of output, (number, text)."""
    stream = record_pb2.ConsoleLine.STREAM_STDERR if is_stderr else record_pb2.ConsoleLine.STREAM_STDOUT
    made = [
        record_pb2.ConsoleLine(number=number, time_us=1_700_000_000_000_000 + number, stream=stream, text=text)
        for number, text in lines
    ]
    return record_pb2.Record(seq=seq, console=record_pb2.ConsoleLines(lines=made))


def document(seq: int, kind: str, **content: Any) -> record_pb2.Record:
    """A document: config, summary, metrics or metadata."""
    number = record_pb2.Document.Kind.Value(f"KIND_{kind.upper()}")
    made = record_pb2.Document(kind=number, json=json.dumps(content))
    return record_pb2.Record(seq=seq, time_us=1_700_000_000_000_000 + seq, document=made)


def publish(
    address: str, requests: Iterable[ingest_pb2.PublishRequest], *, key: str = "", timeout_s: float = 20
) -> list[ingest_pb2.PublishResponse]:
    """Sends requests, half-closes and returns what was answered.

    Raises:
        grpc.RpcError: the call ended with an error.
    """
    metadata = [("authorization", f"Bearer {key}")] if key else []
    with grpc.insecure_channel(address) as channel:
        call = ingest_pb2_grpc.IngestServiceStub(channel).Publish(iter(requests), metadata=metadata, timeout=timeout_s)
        return list(call)


def acks(answers: Iterable[ingest_pb2.PublishResponse]) -> list[int]:
    """The sequences that were acked."""
    return [answer.ack.acked_seq_inclusive for answer in answers if answer.HasField("ack")]
