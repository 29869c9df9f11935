"""Statements by name, run with the caller's limits; failures become errors for the caller."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import pyarrow as pa

from query.settings import Settings
from runstream.store.client import Store
from runstream.store.outcome import read_error


class Reads:
    """Runs the statements of ``query/sql``.

    Args:
        store: where.
        settings: limits.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._limits = {"max_execution_time": settings.max_query_s, "max_memory_usage": settings.max_query_bytes}

    async def arrow(self, statement: str, *, fragments: Mapping[str, str] | None = None, **parameters: Any) -> pa.Table:
        """Runs a statement and returns its columns.

        Args:
            statement: name of a file in ``query/sql``.
            fragments: text of our own for ``{name}`` in it, or the name of a ``source_`` file; never the
                caller's words, which are bound as parameters.
            parameters: values for ``{name:Type}``.

        Raises:
            StorageUnavailable, InvalidField: the engine cannot answer now, or not so much.
        """
        try:
            text = sql(statement)
            for name, fragment in (fragments or {}).items():
                text = text.replace(f"{{{name}}}", sql(fragment) if fragment.startswith("source_") else fragment)
            return await self._store.call(self._store.query_arrow, text, parameters, self._limits)
        except Exception as error:
            raise read_error(error) from error

    async def rows(
        self, statement: str, *, fragments: Mapping[str, str] | None = None, **parameters: Any
    ) -> list[dict[str, Any]]:
        """The same as a list of rows; for small answers."""
        table = await self.arrow(statement, fragments=fragments, **parameters)
        return table.to_pylist()  # type: ignore[no-any-return]


@cache
def sql(statement: str) -> str:
    """The text of ``query/sql/<statement>.sql``."""
    return resources.files("query.sql").joinpath(f"{statement}.sql").read_text("utf-8")
