"""Metrics of query."""

from __future__ import annotations

from runstream.service.metrics import Metric, counter

POINTS_RETURNED = Metric("runstream_query_buckets_returned_total", "counter", "Buckets and rows of history returned.")
TABLE = (POINTS_RETURNED,)

buckets_returned = counter(POINTS_RETURNED)
