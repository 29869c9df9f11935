"""The HTTP side: requests to statements, results to responses, errors as ClickHouse's clients expect them.

A query that fails after its first block has a status of 200 already; then a tagged ``__exception__`` trailer
ends the body, which clickhouse-connect reads as the error it is.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lz4.frame
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from runstream.store.ch_http.engine import Engine, EngineError
from runstream.store.ch_http.statement import Insert, bound_of, parse, settings_of

# So many blocks may wait for a slow reader; then the engine waits.
_BLOCKS_AHEAD = 8
_CONTENT_TYPES = {
    "Native": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "JSON": "application/json; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
}
_requests = Counter(
    "runstream_clickhouse_requests_total", "Statements over HTTP, by kind and outcome.", ("kind", "code")
)


class HttpInterface:
    """The HTTP interface of one engine.

    Args:
        engine: the engine.
        password: wanted of every request but /ping; empty wants none.
        threads: most statements at once.
    """

    def __init__(self, engine: Engine, password: str, threads: int) -> None:
        self._engine = engine
        self._password = password
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="engine")

    def application(self, max_body_bytes: int) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=max_body_bytes)
        app.router.add_get("/ping", _ok)
        app.router.add_get("/replicas_status", _ok)
        app.router.add_get("/metrics", _metrics)
        app.router.add_get("/", self._handle)
        app.router.add_post("/", self._handle)
        return app

    def close(self) -> None:
        """Waits for running statements."""
        self._threads.shutdown(wait=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        parameters = dict(request.query)
        headers = {
            "X-ClickHouse-Query-Id": parameters.get("query_id") or str(uuid.uuid4()),
            "X-ClickHouse-Timezone": self._engine.timezone,
            "X-ClickHouse-Server-Display-Name": "runstream-chdb",
            "X-ClickHouse-Exception-Tag": secrets.token_hex(8),
        }
        try:
            self._authenticate(request, parameters)
            body = await _body(request, parameters)
            statement = parse(body, parameters)
        except EngineError as error:
            return _failed(error, headers)
        if statement is None:
            return web.Response(text="Ok.\n", headers=headers)
        kind = "insert" if isinstance(statement, Insert) else "query"
        settings = settings_of(parameters)
        if request.method == "GET":
            settings["readonly"] = "1"  # as ClickHouse does: a link must not change anything
        return await self._answer(request, kind, headers, statement, parameters.get("database", ""), settings,
                                  bound_of(parameters))  # fmt: skip

    async def _answer(
        self,
        request: web.Request,
        kind: str,
        headers: dict[str, str],
        statement: Any,
        database: str,
        settings: dict[str, str],
        bound: dict[str, str],
    ) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        blocks: asyncio.Queue[tuple[str, Any]] = asyncio.Queue(_BLOCKS_AHEAD)

        def emit(what: str, value: Any) -> None:
            asyncio.run_coroutine_threadsafe(blocks.put((what, value)), loop).result()

        def work() -> None:
            try:
                self._engine.execute(statement, database or "default", settings, bound, emit)
                emit("end", None)
            except EngineError as error:
                emit("error", error)

        worker = loop.run_in_executor(self._threads, work)
        try:
            what, value = await blocks.get()
            _requests.labels(kind, str(value.code) if what == "error" else "0").inc()
            if what == "error":
                return _failed(value, headers)
            return await _send(request, headers, value, blocks)
        finally:
            await _drain(blocks, worker)

    def _authenticate(self, request: web.Request, parameters: dict[str, str]) -> None:
        given = request.headers.get("X-ClickHouse-Key") or parameters.get("password", "")
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            try:
                given = base64.b64decode(value).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                given = ""
        if self._password and not hmac.compare_digest(given.encode(), self._password.encode()):
            raise EngineError(
                "Code: 516. DB::Exception: Authentication failed: wrong password. (AUTHENTICATION_FAILED)"
            )


async def _body(request: web.Request, parameters: dict[str, str]) -> bytes:
    """The statement's text: the query parameter, a line end, the body; or the fields of a form."""
    if request.content_type == "multipart/form-data":
        text = b""
        for name, value in (await request.post()).items():
            if not isinstance(value, str):
                raise EngineError("Code: 48. DB::Exception: External data is not supported here. (NOT_IMPLEMENTED)")
            if name == "query":
                text = value.encode()
            else:
                parameters[name] = value
        return text
    body = await request.read()
    if request.headers.get("Content-Encoding") == "lz4":  # aiohttp itself undoes gzip, deflate, br and zstd
        try:
            body = lz4.frame.decompress(body)
        except RuntimeError as error:
            raise EngineError(f"Code: 432. DB::Exception: Body is no lz4 frame: {error}. (UNKNOWN_CODEC)") from error
    query = parameters.get("query", "").encode()
    return query + b"\n" + body if query else body


async def _send(
    request: web.Request, headers: dict[str, str], head: tuple[str | None, dict[str, str]], blocks: Any
) -> web.StreamResponse:
    output, summary = head
    headers = {**headers, "X-ClickHouse-Summary": json.dumps(summary)}
    if output:
        headers["X-ClickHouse-Format"] = output
    headers["Content-Type"] = _CONTENT_TYPES.get(output or "", "text/plain; charset=UTF-8")
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    while True:
        what, value = await blocks.get()
        if what == "data":
            await response.write(value)
        elif what == "error":
            await response.write(_trailer(value, headers["X-ClickHouse-Exception-Tag"]))
        if what in ("end", "error"):
            await response.write_eof()
            return response


def _trailer(error: EngineError, tag: str) -> bytes:
    text = error.text.encode() + b"\n"
    mark = tag.encode()
    return b"__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n" % (mark, text, len(text), mark)


async def _drain(blocks: asyncio.Queue[tuple[str, Any]], worker: asyncio.Future[None]) -> None:
    """A reader that went away must not leave its statement waiting for room."""
    while not worker.done():
        try:
            async with asyncio.timeout(0.05):
                await blocks.get()
        except TimeoutError:
            continue


def _failed(error: EngineError, headers: dict[str, str]) -> web.Response:
    headers = {**headers, "X-ClickHouse-Exception-Code": str(error.code)}
    return web.Response(status=error.status, text=error.text + "\n", headers=headers)


async def _ok(request: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
