"""A pool of handles to one chDB engine: settings by difference, and a clean handle after every failure."""

from __future__ import annotations

import os
import queue
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import chdb

from runstream.store.ch_http.statement import Insert, Query, quoted, quoted_name

_CODE = re.compile(r"Code: (\d+)")
_STATUS = {
    36: 400, 26: 400, 27: 400, 62: 400, 117: 400, 46: 404, 47: 404, 60: 404, 81: 404,
    48: 501, 159: 408, 192: 401, 202: 503, 497: 403, 516: 401,
}  # fmt: skip


class EngineError(Exception):
    """What the engine said: its text with ``Code: N``, the code, and the HTTP status that goes with it."""

    def __init__(self, message: str) -> None:
        start = message.find("Code: ")
        self.text = message[start:] if start > 0 else message
        found = _CODE.search(self.text)
        self.code = int(found[1]) if found else 1002
        self.status = _STATUS.get(self.code, 500)
        super().__init__(self.text)


Emit = Callable[[str, Any], None]


class Engine:
    """One chDB engine.

    Args:
        path: its directory, claimed by the caller.
        handles: most statements at once.
    """

    def __init__(self, path: Path, handles: int) -> None:
        self._idle: queue.LifoQueue[_Handle] = queue.LifoQueue()
        for _ in range(handles):
            self._idle.put(_Handle(path))
        self._handles = handles
        with self._handle() as handle:
            self.timezone = bytes(handle.connection.query("SELECT timezone()", "TabSeparated").bytes()).decode().strip()

    def execute(
        self,
        statement: Insert | Query,
        database: str,
        settings: Mapping[str, str],
        bound: Mapping[str, str],
        emit: Emit,
    ) -> None:
        """Runs a statement in this thread.

        ``emit("head", (format or None, summary))`` comes once, then ``emit("data", bytes)`` for each block.

        Raises:
            EngineError: the engine refused, before or after the head.
        """
        with self._handle() as handle:
            try:
                handle.prepare(database, settings)
                if isinstance(statement, Insert):
                    _insert(handle, statement, emit)
                elif statement.is_streamed:
                    _stream(handle, statement, bound, emit)
                else:
                    _whole(handle, statement, bound, emit)
            except Exception as error:
                handle.clean()
                raise error if isinstance(error, EngineError) else EngineError(str(error)) from error

    def close(self) -> None:
        """Waits for running statements, then closes all handles."""
        for _ in range(self._handles):
            self._idle.get().connection.close()

    @contextmanager
    def _handle(self) -> Iterator[_Handle]:
        handle = self._idle.get()
        try:
            yield handle
        finally:
            self._idle.put(handle)


class _Handle:
    """One connection, and what it was last set to."""

    def __init__(self, path: Path) -> None:
        self.connection: Any = chdb.connect(str(path))  # type: ignore[no-untyped-call]
        self._database = "default"
        self._settings: dict[str, str] = {}

    def prepare(self, database: str, settings: Mapping[str, str]) -> None:
        """Sets only what differs from the last statement, so steady traffic pays nothing."""
        for name in [name for name in self._settings if name not in settings]:
            self.connection.query(f"SET {name} = DEFAULT")
            del self._settings[name]
        for name, value in settings.items():
            if self._settings.get(name) != value:
                self.connection.query(f"SET {name} = {quoted(value)}")
                self._settings[name] = value
        if database != self._database:
            self.connection.query(f"USE {quoted_name(database)}")
            self._database = database

    def clean(self) -> None:
        """After a failure chDB would put the failed query's rows before the next result; this takes them away."""
        with suppress(Exception):
            self.connection.query("SELECT 1", "Null")


def _insert(handle: _Handle, statement: Insert, emit: Emit) -> None:
    """Inserts by file, in memory. chDB's own ``send_insert`` would say nothing of a commit that failed: no room on
    the disk, too many parts.
    """
    started = time.monotonic_ns()
    with open(os.memfd_create("insert", os.MFD_CLOEXEC), "wb") as file:
        file.write(statement.data)
        file.flush()
        result = handle.connection.query(statement.from_file(f"/proc/self/fd/{file.fileno()}"))
    summary = {"written_rows": str(result.rows_read()), "written_bytes": str(result.bytes_read())}
    emit("head", (None, {**summary, "elapsed_ns": str(time.monotonic_ns() - started)}))


def _stream(handle: _Handle, statement: Query, bound: Mapping[str, str], emit: Emit) -> None:
    has_head = False
    for block in handle.connection.send_query(statement.sql, statement.format, params=dict(bound)):
        if not has_head:
            emit("head", (statement.format, {}))
            has_head = True
        emit("data", bytes(block.bytes()))
    if not has_head:
        emit("head", (statement.format, {}))


def _whole(handle: _Handle, statement: Query, bound: Mapping[str, str], emit: Emit) -> None:
    result = handle.connection.query(statement.sql, statement.format, params=dict(bound))
    data = bytes(result.bytes())
    summary = {"read_rows": str(result.storage_rows_read()), "result_rows": str(result.rows_read())}
    # The client tells a statement without a result by the missing format.
    emit("head", (statement.format if statement.has_result or data else None, summary))
    if data:
        emit("data", data)
