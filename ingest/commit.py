"""Parts into ClickHouse: build, insert, classify, retry, bisect; an outcome for each part.

The order of inserts: points, then series, then the rest, accounts last. A reader that finds a run's closed
account must find its points (I5), and a key listed in series must have points. Done is said after all of them.

An insert whose outcome is unknown is tried again with the same rows until there is an answer, for as long as
the process lives: the batcher's bound and flow control hold the clients back meanwhile. Each try has a token of
its own: an engine that is killed between noting a token and committing its rows would take a second one with
the same token for done, and the rows would be lost. Rows that come twice replace themselves by key. What
ClickHouse refuses for good is cut in halves until the poisonous part stands alone.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence

import pyarrow as pa
import structlog

from ingest import metrics
from ingest.part import Outcome, Part
from ingest.settings import Settings
from runstream.store import outcome as store_outcome
from runstream.store.client import Store
from runstream.store.points import merged, points_table
from runstream.store.records import tables
from runstream.store.series import series_table

_log = structlog.get_logger("ingest.commit")
# In the order of inserting: what an account or a list of keys speaks of is there before it.
_RECORD_TABLES = (
    "history_values",
    "history_keys",
    "console",
    "run_files",
    "alerts",
    "runs",
    "run_documents",
    "refusals",
    "writers",
)


class Committer:
    """Inserts lists of parts.

    Args:
        store: where to.
        settings: retry delays.
        on_overload: called with seconds when ClickHouse asks to slow down.
    """

    def __init__(self, store: Store, settings: Settings, on_overload: Callable[[float], None]) -> None:
        self._store = store
        self._settings = settings
        self._on_overload = on_overload
        self.trouble = ""
        """Why the last insert failed, empty when it went well."""

    async def commit(self, parts: Sequence[Part]) -> None:
        """Inserts parts and calls the ``done`` of each; tries for as long as it takes."""
        failures = 0
        while True:
            try:
                with metrics.insert_seconds.time():
                    await self._store.call(insert, self._store, parts)
            except Exception as error:
                kind = store_outcome.classify(error)
                self.trouble = f"{kind.value}: {_first_line(error)}"
                metrics.engine_errors.labels(store_outcome.code_of(error) or "none", kind.value).inc()
                if kind is store_outcome.Outcome.PERMANENT:
                    await self._bisect(parts, error)
                    return
                failures += 1
                delay_s = min(self._settings.retry_max_s, self._settings.retry_first_s * 2**failures)
                _log.warning("insert_retried", kind=kind.value, delay_s=delay_s, error=_first_line(error))
                if kind is store_outcome.Outcome.OVERLOADED:
                    self._on_overload(delay_s)
                await asyncio.sleep(delay_s * (0.5 + random.random() / 2))
            else:
                self.trouble = ""
                self._count(parts)
                for part in parts:
                    part.done(Outcome(is_committed=True))
                return

    async def _bisect(self, parts: Sequence[Part], error: Exception) -> None:
        if len(parts) > 1:
            middle = len(parts) // 2
            await self.commit(parts[:middle])
            await self.commit(parts[middle:])
            return
        _log.error("batch_rejected", points=parts[0].points, error=_first_line(error))
        parts[0].done(Outcome(is_committed=False, message=_first_line(error)))

    def _count(self, parts: Sequence[Part]) -> None:
        points = sum(part.points for part in parts)
        metrics.points_stored.inc(points)
        metrics.insert_points.observe(points)
        metrics.insert_parts.observe(len(parts))


def insert(store: Store, parts: Sequence[Part]) -> None:
    """Inserts parts, each table once. A token is one call's, for what clickhouse-connect sends again by itself."""
    token = secrets.token_hex(16)

    def insert_into(table: str, rows: pa.Table) -> None:
        store.insert_arrow(table, rows, token=f"{table}-{token}")

    blocks = merged(block for part in parts for block in part.blocks)
    if blocks:
        insert_into("points", points_table(blocks))
        insert_into("series", series_table(blocks))
    records = tables(row for part in parts for row in part.rows)
    for table in _RECORD_TABLES:
        if table in records:
            insert_into(table, records[table])


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:500]
