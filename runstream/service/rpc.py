"""Unary methods of a proto service, from one implementation: gRPC, and POST /package.Service/Method with JSON.

The JSON form is Connect's unary protocol with proto3 JSON, so curl, browsers and notebooks need no stubs.
Fields with their default value are left out of answers, as proto3 JSON does. A body of type
application/proto is the binary form, 50 times faster for long histories; the dashboard uses it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import structlog
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from runstream.errors import InvalidField, RunstreamError
from runstream.service import metrics, status

MAX_BODY_BYTES = 16 << 20
_COMPRESSED_FROM_BYTES = 1024
_BINARY = "application/proto"
_Method = Callable[[Any], Awaitable[Any]]
_log = structlog.get_logger("rpc")


class Unary:
    """A service's unary methods.

    Args:
        service: the service's descriptor.
        implementation: an object with an ``async def Method(self, request) -> response`` for each method;
            who calls is ``current_caller()``'s to say.
    """

    def __init__(self, service: ServiceDescriptor, implementation: object) -> None:
        self._service = service
        self._methods: dict[str, tuple[MethodDescriptor, _Method]] = {
            method.name: (method, _measured(method, getattr(implementation, method.name))) for method in service.methods
        }

    def add_to_grpc(self, server: grpc.aio.Server) -> None:
        """Registers the methods on a gRPC server."""
        handlers = {name: _grpc_handler(method, call) for name, (method, call) in self._methods.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self._service.full_name, handlers),))

    def add_to_http(self, app: web.Application) -> None:
        """Registers POST routes on an HTTP application."""
        for name, (method, call) in self._methods.items():
            app.router.add_post(f"/{self._service.full_name}/{name}", _http_handler(method, call))


def _measured(method: MethodDescriptor, call: _Method) -> _Method:
    name = method.full_name
    seconds, open_calls = metrics.call_seconds.labels(name), metrics.calls_open.labels(name)

    async def measured(request: Any) -> Any:
        started = time.perf_counter()
        code = "OK"
        open_calls.inc()
        try:
            return await call(request)
        except Exception as error:
            code = status.grpc_code(error).name
            if not isinstance(error, RunstreamError):
                incident = secrets.token_hex(4)
                _log.error("call_failed", method=name, incident=incident, exc_info=True)
            raise
        finally:
            open_calls.dec()
            seconds.observe(time.perf_counter() - started)
            metrics.calls.labels(name, code).inc()

    return measured


def _grpc_handler(method: MethodDescriptor, call: _Method) -> grpc.RpcMethodHandler[Any, Any]:
    async def handle(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await call(request)
        except Exception as error:
            await context.abort(*status.to_grpc(error))

    return grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )


def _http_handler(method: MethodDescriptor, call: _Method) -> Callable[[web.Request], Awaitable[web.Response]]:
    request_class = GetMessageClass(method.input_type)

    async def handle(http_request: web.Request) -> web.Response:
        try:
            body = await http_request.read()
            is_binary = http_request.content_type == _BINARY
            answer = await call(request_class.FromString(body) if is_binary else _parse(request_class, body))
        except Exception as error:
            http_status, problem = status.to_http(error)
            return web.json_response(problem, status=http_status)
        data = answer.SerializeToString() if is_binary else json_format.MessageToJson(answer, indent=None).encode()
        response = web.Response(body=data, content_type=_BINARY if is_binary else "application/json")
        if len(data) > _COMPRESSED_FROM_BYTES:
            response.enable_compression()
        return response

    return handle


def _parse(request_class: type[Message], body: bytes) -> Message:
    try:
        return json_format.ParseDict(json.loads(body or b"{}"), request_class())
    except (json_format.ParseError, ValueError, RecursionError, AttributeError, TypeError) as error:
        raise InvalidField("body", f"is no {request_class.DESCRIPTOR.name} in JSON: {error}") from error
