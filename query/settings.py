"""Settings of the query service."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How queries are answered.

    Attributes:
        heartbeat_lapse_s: silence after which a running writer counts as crashed: three heartbeats.
        max_query_s: longest that one statement may run in ClickHouse.
        max_query_bytes: most memory of one statement in ClickHouse.
    """

    heartbeat_lapse_s: float = 30.0
    max_query_s: float = 30.0
    max_query_bytes: int = 4 << 30
