"""Prometheus metrics, by table: each service lists its own, this makes them and renders /metrics."""

from __future__ import annotations

from typing import Literal, NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metric(NamedTuple):
    """A metric: its name ends in its unit."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = _SECONDS


def counter(metric: Metric) -> Counter:
    """Makes a counter."""
    return Counter(metric.name, metric.help, metric.labels)


def gauge(metric: Metric) -> Gauge:
    """Makes a gauge."""
    return Gauge(metric.name, metric.help, metric.labels)


def histogram(metric: Metric) -> Histogram:
    """Makes a histogram."""
    return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets)


CALLS = Metric("runstream_calls_total", "counter", "Calls served, by method and gRPC code.", ("method", "code"))
CALL_SECONDS = Metric("runstream_call_seconds", "histogram", "Time to serve a unary call.", ("method",))
CALLS_OPEN = Metric("runstream_calls_open", "gauge", "Calls being served.", ("method",))
BROKEN_INVARIANTS = Metric(
    "runstream_broken_invariants_total", "counter", "Promises found broken; alert on any.", ("id",)
)
TABLE = (CALLS, CALL_SECONDS, CALLS_OPEN, BROKEN_INVARIANTS)

calls = counter(CALLS)
call_seconds = histogram(CALL_SECONDS)
calls_open = gauge(CALLS_OPEN)
broken_invariants = counter(BROKEN_INVARIANTS)


def page() -> tuple[bytes, str]:
    """The /metrics page and its content type."""
    return generate_latest(), CONTENT_TYPE_LATEST
