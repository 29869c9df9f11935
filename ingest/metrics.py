"""Metrics of ingest."""

from __future__ import annotations

from runstream.service.metrics import Metric, counter, gauge, histogram
from runstream.v1 import record_pb2
from runstream.wire import enum_name

_POINTS = (1, 10, 100, 1_000, 10_000, 50_000, 100_000, 200_000, 400_000, 1_000_000)
_PARTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000)

STREAMS_OPEN = Metric("runstream_ingest_streams_open", "gauge", "Publish streams open.")
STREAMS_ENDED = Metric(
    "runstream_ingest_streams_ended_total",
    "counter",
    "Publish streams that ended: closed by the client, drained, idle, broken, or by the reason of an error.",
    ("how",),
)
RECEIVED_BYTES = Metric("runstream_ingest_received_bytes_total", "counter", "Bytes of messages that arrived.")
PENDING_POINTS = Metric("runstream_ingest_pending_points", "gauge", "Points accepted and not yet committed.")
PENDING_BYTES = Metric("runstream_ingest_pending_bytes", "gauge", "Bytes of messages that are not committed yet.")
WAITING_BYTES = Metric(
    "runstream_ingest_waiting_bytes",
    "gauge",
    "Bytes of messages that arrived and wait for room; over 0 is back-pressure.",
)
OLDEST_SECONDS = Metric(
    "runstream_ingest_oldest_pending_seconds",
    "gauge",
    "Age of the oldest message that is not committed; scale out when it stays over a second.",
)
ACK_SECONDS = Metric(
    "runstream_ingest_ack_seconds", "histogram", "Time from a batch's arrival to its commit or refusal, acked at once."
)
POINTS_STORED = Metric("runstream_ingest_points_stored_total", "counter", "Points committed.")
POINTS_REFUSED = Metric("runstream_ingest_points_refused_total", "counter", "Points refused for good.", ("reason",))
REFUSALS = Metric("runstream_ingest_refusals_total", "counter", "Blocks and records refused for good.", ("reason",))
INSERT_SECONDS = Metric("runstream_ingest_insert_seconds", "histogram", "Time of one batch's inserts.")
INSERT_POINTS = Metric("runstream_ingest_insert_points", "histogram", "Points of one batch's inserts.", buckets=_POINTS)
INSERT_PARTS = Metric(
    "runstream_ingest_insert_messages", "histogram", "Clients' messages in one batch's inserts.", buckets=_PARTS
)
ENGINE_ERRORS = Metric(
    "runstream_ingest_engine_errors_total",
    "counter",
    "Inserts that failed, by ClickHouse's error code (none: it did not answer) and what was done about it.",
    ("code", "kind"),
)
TABLE = (
    STREAMS_OPEN,
    STREAMS_ENDED,
    RECEIVED_BYTES,
    PENDING_POINTS,
    PENDING_BYTES,
    WAITING_BYTES,
    OLDEST_SECONDS,
    ACK_SECONDS,
    POINTS_STORED,
    POINTS_REFUSED,
    REFUSALS,
    INSERT_SECONDS,
    INSERT_POINTS,
    INSERT_PARTS,
    ENGINE_ERRORS,
)

streams_open = gauge(STREAMS_OPEN)
streams_ended = counter(STREAMS_ENDED)
received_bytes = counter(RECEIVED_BYTES)
pending_points = gauge(PENDING_POINTS)
pending_bytes = gauge(PENDING_BYTES)
waiting_bytes = gauge(WAITING_BYTES)
oldest_seconds = gauge(OLDEST_SECONDS)
ack_seconds = histogram(ACK_SECONDS)
points_stored = counter(POINTS_STORED)
points_refused = counter(POINTS_REFUSED)
refusals = counter(REFUSALS)
insert_seconds = histogram(INSERT_SECONDS)
insert_points = histogram(INSERT_POINTS)
insert_parts = histogram(INSERT_PARTS)
engine_errors = counter(ENGINE_ERRORS)


def count_refusal(reason: record_pb2.RefusalReason.ValueType, count: int) -> None:
    """Counts a refusal and its points under its reason."""
    name = enum_name(record_pb2.RefusalReason, reason, "REFUSAL_REASON_")
    refusals.labels(name).inc()
    points_refused.labels(name).inc(count)
