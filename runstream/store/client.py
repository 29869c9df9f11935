"""The one way to ClickHouse, for a server over HTTP and for chDB in this process.

Owns: connecting, the pinned settings, the pool of handles, and cleaning a handle after a failure. Knows no
table. Three outside rules shaped it:

- A chDB handle serialises its calls, and a clickhouse-connect client is not for concurrent use with
  sessions: so a pool, one borrower a handle.
- After a query fails part-way, chDB puts the failed query's rows before the next result of the same handle,
  without an error. That would leak between tenants: so a throwaway statement follows every exception.
- Defaults of inserts changed in ClickHouse 26.2 and clickhouse-connect sends an insert again by itself when
  the connection breaks: so settings are pinned, and rows that come twice must replace themselves.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from runstream.errors import InvalidField, StorageUnavailable
from runstream.store.data_dir import DataDir

DATABASE = "runstream"

# async_insert: an ack must mean committed. deduplicate: the engine may not take a second insert for done, since
# without replicas it notes the first before it commits it, and one that is killed between loses the rows.
# max_memory_usage: chDB takes the host's whole memory as its limit; one query must not.
_PINNED: Mapping[str, object] = {
    "async_insert": 0,
    "insert_deduplicate": 0,
    "deduplicate_insert": "disable",
    "max_memory_usage": 4 << 30,
    "max_execution_time": 120,
}

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Store:
    """A pool of handles to one ClickHouse database.

    Methods block and are safe to call from any number of threads; ``call`` runs one of them off the event
    loop. A handle is lent to one caller at a time; a caller waits when all are lent.

    Args:
        url: ``chdb://PATH`` for chDB in this process, ``http(s)://[user:password@]host[:port]`` for a server.
        pool_size: most handles, and most calls at once.
        database: database of all tables.

    Raises:
        InvalidField: the URL has another form.
        SetupError: the chDB directory belongs to another process or another version.
        StorageUnavailable: no ClickHouse answers there.
    """

    def __init__(self, url: str, *, pool_size: int = 4, database: str = DATABASE) -> None:
        self.url = url
        self.database = database
        self.is_embedded = url.startswith("chdb://")
        self._data_dir: DataDir | None = None
        self._connect: Callable[[], Client] = self._connector(url)
        self._idle: queue.LifoQueue[Client | None] = queue.LifoQueue()
        try:
            first = self._open()
        except BaseException:
            self._release_data_dir()
            raise
        for _ in range(pool_size - 1):
            self._idle.put(None)  # opened when first needed
        self._idle.put(first)
        self._pool_size = pool_size
        self._threads = ThreadPoolExecutor(pool_size, thread_name_prefix="store")

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, settings: Mapping[str, object] | None = None
    ) -> Sequence[Sequence[Any]]:
        """Returns the rows of a SELECT, with ``{name:Type}`` parameters bound by the engine."""
        with self.handle() as client:
            result = client.query(sql, parameters=dict(parameters or {}), settings=dict(settings or {}))
            return result.result_rows

    def query_arrow(
        self, sql: str, parameters: Mapping[str, object] | None = None, settings: Mapping[str, object] | None = None
    ) -> pa.Table:
        """Returns the result of a SELECT as one Arrow table."""
        with self.handle() as client:
            return client.query_arrow(
                sql, parameters=dict(parameters or {}), settings=dict(settings or {}), use_strings=True
            )

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> object:
        """Runs a statement without a result set."""
        with self.handle() as client:
            return client.command(sql, parameters=dict(parameters or {}))

    def insert_arrow(self, table: str, rows: pa.Table) -> None:
        """Inserts rows as one block; the same rows again replace themselves by their table's key.

        Returns after ClickHouse has committed. Whatever is raised, the same rows may be inserted again; what
        the exception means is ``store.outcome.classify``'s to say.
        """
        with self.handle() as client:
            client.insert_arrow(table, rows, database=self.database)

    def ping(self) -> bool:
        """Whether the engine answers."""
        try:
            return bool(self.query("SELECT 1")[0][0] == 1)
        except (ClickHouseError, StorageUnavailable, OSError):
            return False

    async def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Runs a blocking function that uses this store in one of its threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """Waits for running calls, then closes all handles. Safe to call twice."""
        self._threads.shutdown(wait=True)
        while not self._idle.empty():
            client = self._idle.get_nowait()
            if client is not None:
                client.close()
        self._release_data_dir()

    @contextmanager
    def handle(self) -> Iterator[Client]:
        """Lends a handle; after an exception it is cleaned, or dropped if that fails."""
        client = self._idle.get()
        try:
            if client is None:
                client = self._open()
            yield client
        except BaseException:
            client = self._cleaned(client)
            raise
        finally:
            self._idle.put(client)

    def _open(self) -> Client:
        try:
            client = self._connect()
            client.command(f"CREATE DATABASE IF NOT EXISTS {self.database}")
            client.database = self.database
            known = client.server_settings
            for name, value in _PINNED.items():
                if name in known:  # an older server lacks the newest of them
                    client.set_client_setting(name, value)
            return client
        except (ClickHouseError, OSError) as error:
            raise StorageUnavailable(
                f"cannot open ClickHouse at {_without_password(self.url)}: {error}",
                next_step="check the address and that the server is running",
            ) from error

    def _cleaned(self, client: Client | None) -> Client | None:
        if client is None or not self.is_embedded:
            return client
        try:
            client.raw_query("SELECT 1", fmt="Null")
            return client
        except Exception:
            client.close()
            return None

    def _connector(self, url: str) -> Callable[[], Client]:
        if self.is_embedded:
            path = Path(url.removeprefix("chdb://")).absolute()
            self._data_dir = DataDir.claim(path, holder=f"process with chDB at {path}")
            return lambda: clickhouse_connect.get_client(interface="chdb", path=str(path))
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidField(
                "clickhouse", f"must be chdb://PATH or http(s)://host:port, not {_without_password(url)!r}"
            )
        options: dict[str, Any] = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return lambda: clickhouse_connect.get_client(
            interface=parts.scheme,
            host=parts.hostname,
            port=parts.port or (8443 if parts.scheme == "https" else 8123),
            username=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            autogenerate_session_id=False,
            connect_timeout=5,
            send_receive_timeout=60,
            **options,
        )

    def _release_data_dir(self) -> None:
        if self._data_dir is not None:
            self._data_dir.release()
            self._data_dir = None


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", ":***@") if parts.password else url
