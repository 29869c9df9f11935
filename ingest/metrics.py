"""Metrics of ingest."""

from __future__ import annotations

from runstream.service.metrics import Metric, counter, gauge, histogram
from runstream.v1 import record_pb2
from runstream.wire import enum_name

_POINTS = (1, 10, 100, 1_000, 10_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)

STREAMS_OPEN = Metric("runstream_ingest_streams_open", "gauge", "Publish streams open.")
PENDING_POINTS = Metric("runstream_ingest_pending_points", "gauge", "Points accepted and not yet committed.")
POINTS_STORED = Metric("runstream_ingest_points_stored_total", "counter", "Points committed.")
POINTS_REFUSED = Metric("runstream_ingest_points_refused_total", "counter", "Points refused for good.", ("reason",))
INSERT_SECONDS = Metric("runstream_ingest_insert_seconds", "histogram", "Time of one batch's inserts.")
INSERT_POINTS = Metric("runstream_ingest_insert_points", "histogram", "Points of one batch's inserts.", buckets=_POINTS)
INSERT_FAILURES = Metric("runstream_ingest_insert_failures_total", "counter", "Inserts that failed.", ("kind",))
TABLE = (
    STREAMS_OPEN,
    PENDING_POINTS,
    POINTS_STORED,
    POINTS_REFUSED,
    INSERT_SECONDS,
    INSERT_POINTS,
    INSERT_FAILURES,
)

streams_open = gauge(STREAMS_OPEN)
pending_points = gauge(PENDING_POINTS)
points_stored = counter(POINTS_STORED)
points_refused = counter(POINTS_REFUSED)
insert_seconds = histogram(INSERT_SECONDS)
insert_points = histogram(INSERT_POINTS)
insert_failures = counter(INSERT_FAILURES)


def count_refusal(reason: record_pb2.RefusalReason.ValueType, count: int) -> None:
    """Counts refused points under their reason."""
    points_refused.labels(enum_name(record_pb2.RefusalReason, reason, "REFUSAL_REASON_")).inc(count)
