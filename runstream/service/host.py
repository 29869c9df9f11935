"""Runs services in one process: one gRPC server, one HTTP server, one event loop.

    start:  services ─► gRPC ─► HTTP ─► ready
    stop:   not ready ─► drain, bounded ─► gRPC ─► HTTP ─► services

The order of the stop is what loses nothing: clients are told to go while their calls still work, what was
accepted is committed and acknowledged, and only then are sockets and engines closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import structlog
from aiohttp import web

import runstream
from runstream.descriptors import allow_many
from runstream.errors import RunstreamError, SetupError
from runstream.service import metrics, status
from runstream.service.auth import Authenticator, needs_key
from runstream.service.caller import caller_var
from runstream.service.health import Health
from runstream.service.rpc import MAX_BODY_BYTES
from runstream.service.service import Service
from runstream.service.settings import HostSettings

_log = structlog.get_logger("host")


@dataclass(frozen=True)
class Addresses:
    """Where a process listens."""

    http_url: str
    grpc: str


async def serve(
    services: Sequence[Service],
    settings: HostSettings,
    authenticator: Authenticator,
    *,
    on_ready: Callable[[Addresses], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serves until SIGTERM, SIGINT or ``stop``, then stops gracefully; a second signal ends at once.

    Raises:
        SetupError: a port is in use, or the address is not loopback and there are no API keys.
    """
    check(settings)
    allow_many()
    stop = stop or asyncio.Event()
    await _check_exposure(settings, authenticator)
    health = Health(services)
    async with contextlib.AsyncExitStack() as started:
        started.enter_context(_signals(stop))  # before anybody can hear that we are ready
        for service in services:
            await service.start()
            started.push_async_callback(service.stop)
        grpc_server, grpc_port = _grpc_server(services, health, settings, authenticator)
        await grpc_server.start()
        started.push_async_callback(grpc_server.stop, 1.0)
        http_port = await _start_http(started, services, health, settings, authenticator, grpc_port)
        await health.start()
        addresses = Addresses(f"http://{_shown(settings.host)}:{http_port}", f"{_shown(settings.host)}:{grpc_port}")
        _log.info("ready", http=addresses.http_url, grpc=addresses.grpc, services=[s.name for s in services])
        if on_ready is not None:
            on_ready(addresses)
        await stop.wait()
        _log.info("stopping", grace_s=settings.grace_s)
        await health.stop()
        await _drain(services, settings.grace_s)


def check(settings: HostSettings) -> None:
    """Finds what would keep a process from listening; worth a call before engines are started.

    Raises:
        InvalidField: a setting cannot be.
        SetupError: a port is in use.
    """
    settings.validate()
    _check_free(settings.host, settings.http_port, "--port")
    _check_free(settings.host, settings.grpc_port, "--grpc-port")


async def _check_exposure(settings: HostSettings, authenticator: Authenticator) -> None:
    if is_loopback(settings.host):
        return
    authenticator.allows_keyless = settings.insecure_no_auth
    if not settings.insecure_no_auth and not await authenticator.source.any_key():
        raise SetupError(
            f"--host {settings.host} is no loopback address and there are no API keys, so everyone could write",
            next_step="make one with `runstream key create` first, or say --insecure-no-auth",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _grpc_server(
    services: Sequence[Service], health: Health, settings: HostSettings, authenticator: Authenticator
) -> tuple[grpc.aio.Server, int]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.so_reuseport", 0),  # or a port in use would be shared in silence
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_time_ms", 60_000),
    ]
    if settings.max_connection_age_s:
        options.append(("grpc.max_connection_age_ms", int(settings.max_connection_age_s * 1000)))
    server = grpc.aio.server(interceptors=[_AuthInterceptor(authenticator)], options=options)
    for service in services:
        service.add_to_grpc(server)
    health.add_to_grpc(server)
    try:
        port = server.add_insecure_port(f"{_shown(settings.host)}:{settings.grpc_port}")
    except RuntimeError as error:
        raise _in_use(settings.host, settings.grpc_port, "--grpc-port") from error
    return server, port


async def _start_http(
    started: contextlib.AsyncExitStack,
    services: Sequence[Service],
    health: Health,
    settings: HostSettings,
    authenticator: Authenticator,
    grpc_port: int,
) -> int:
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_http_auth(authenticator)])
    health.add_to_http(app)
    app.router.add_get("/metrics", _metrics_page)
    app.router.add_get("/api/endpoints", _endpoints_page(services, settings, authenticator, grpc_port))
    for service in services:
        service.add_to_http(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    started.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, settings.host, settings.http_port)
    try:
        await site.start()
    except OSError as error:
        raise _in_use(settings.host, settings.http_port, "--port") from error
    return int(runner.addresses[0][1])


async def _drain(services: Sequence[Service], grace_s: float) -> None:
    try:
        async with asyncio.timeout(grace_s):
            await asyncio.gather(*(service.drain() for service in services))
    except TimeoutError:
        _log.warning("drain_cut_short", grace_s=grace_s)


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Any:
    """The first SIGTERM or SIGINT asks to stop; a second one ends the process as it would without us."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked)
    except (ValueError, RuntimeError):  # not the main thread: whoever runs the loop stops it by the event
        yield
        return
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class _AuthInterceptor(grpc.aio.ServerInterceptor):
    """Authenticates every call but the health service's, and sets its caller."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith("/grpc.health."):
            return handler
        metadata = dict(handler_call_details.invocation_metadata or ())
        try:
            caller = await self._authenticator.authenticate(_text(metadata.get("authorization")))
        except Exception as error:
            return _refusing(handler, error)
        behaviour = handler.unary_unary or handler.stream_stream

        # A call runs in a task of its own, so the caller is set there and seen by nobody else.
        async def serve_caller(request: Any, context: Any) -> Any:
            caller_var.set(caller)
            return await behaviour(request, context)

        return _with_behaviour(handler, serve_caller)


def _refusing(handler: grpc.RpcMethodHandler[Any, Any], error: Exception) -> grpc.RpcMethodHandler[Any, Any]:
    async def refuse(request: Any, context: Any) -> None:
        await context.abort(*status.to_grpc(error))

    return _with_behaviour(handler, refuse)


def _with_behaviour(
    handler: grpc.RpcMethodHandler[Any, Any], behaviour: Callable[[Any, Any], Awaitable[Any]]
) -> grpc.RpcMethodHandler[Any, Any]:
    make: Any = grpc.unary_unary_rpc_method_handler if handler.unary_unary else grpc.stream_stream_rpc_method_handler
    made: grpc.RpcMethodHandler[Any, Any] = make(
        behaviour, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
    )
    return made


def _http_auth(authenticator: Authenticator) -> Any:
    @web.middleware
    async def authenticate(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not needs_key(request.path):
            return await handler(request)
        try:
            caller_var.set(await authenticator.authenticate(request.headers.get("Authorization")))
        except RunstreamError as error:
            http_status, body = status.to_http(error)
            return web.json_response(body, status=http_status)
        return await handler(request)

    return authenticate


async def _metrics_page(request: web.Request) -> web.Response:
    body, content_type = metrics.page()
    return web.Response(body=body, headers={"Content-Type": content_type})


def _endpoints_page(
    services: Sequence[Service], settings: HostSettings, authenticator: Authenticator, grpc_port: int
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def endpoints(request: web.Request) -> web.Response:
        # The host that the client reached us by reaches our gRPC port too, unless a proxy stands between.
        grpc_address = settings.advertised_grpc or f"{_shown(request.url.host or settings.host)}:{grpc_port}"
        return web.json_response(
            {
                "grpc": grpc_address,
                "version": runstream.__version__,
                "services": [service.name for service in services],
                "needsKey": not authenticator.allows_keyless,
            }
        )

    return endpoints


def _check_free(host: str, port: int, option: str) -> None:
    """GRPC's own error says little, and says it late."""
    if port == 0:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _in_use(host, port, option) from error


def _in_use(host: str, port: int, option: str) -> SetupError:
    return SetupError(
        f"cannot listen on {_shown(host)}:{port}: the port is in use or not allowed",
        next_step=f"stop what uses it, or choose another with {option}",
    )


def _text(value: str | bytes | None) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
