"""A writer that speaks the stream by hand: for what no sound client would send."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
