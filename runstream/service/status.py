"""The one table between errors and what goes over the wire: gRPC status, HTTP status, Connect's code.

Anything that is not in the table is a defect of ours and INTERNAL; its text stays in the log.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from runstream import errors

DOMAIN = "runstream"
_DETAILS_KEY = "grpc-status-details-bin"
_RETRY_AFTER_S = 1.0


class _Codes(NamedTuple):
    grpc: grpc.StatusCode
    http: int
    connect: str


_TABLE: dict[type[errors.RunstreamError], _Codes] = {
    errors.InvalidField: _Codes(grpc.StatusCode.INVALID_ARGUMENT, 400, "invalid_argument"),
    errors.NotFound: _Codes(grpc.StatusCode.NOT_FOUND, 404, "not_found"),
    errors.Conflict: _Codes(grpc.StatusCode.ABORTED, 409, "aborted"),
    errors.KeyMissing: _Codes(grpc.StatusCode.UNAUTHENTICATED, 401, "unauthenticated"),
    errors.KeyUnknown: _Codes(grpc.StatusCode.UNAUTHENTICATED, 401, "unauthenticated"),
    errors.NotAllowed: _Codes(grpc.StatusCode.PERMISSION_DENIED, 403, "permission_denied"),
    errors.StorageUnavailable: _Codes(grpc.StatusCode.UNAVAILABLE, 503, "unavailable"),
    errors.Stopping: _Codes(grpc.StatusCode.UNAVAILABLE, 503, "unavailable"),
    errors.Superseded: _Codes(grpc.StatusCode.ABORTED, 409, "aborted"),
    errors.QuotaExceeded: _Codes(grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "resource_exhausted"),
}
_INTERNAL = _Codes(grpc.StatusCode.INTERNAL, 500, "internal")


def grpc_code(error: BaseException) -> grpc.StatusCode:
    """The gRPC code of an error."""
    return _codes(error).grpc


def to_grpc(error: BaseException) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """What ``context.abort`` takes: code, text, and trailing metadata with google.rpc.Status."""
    codes = _codes(error)
    rich = status_pb2.Status(code=codes.grpc.value[0], message=_text(error))
    for detail in _details(error):
        packed = any_pb2.Any()
        packed.Pack(detail)
        rich.details.append(packed)
    return codes.grpc, _text(error), ((_DETAILS_KEY, rich.SerializeToString()),)


def to_http(error: BaseException) -> tuple[int, dict[str, Any]]:
    """HTTP status and body in Connect's form: code, message, details."""
    codes = _codes(error)
    body: dict[str, Any] = {"code": codes.connect, "message": _text(error)}
    info = _info(error)
    body["details"] = [{"type": "google.rpc.ErrorInfo", "reason": info.reason, "metadata": dict(info.metadata)}]
    return codes.http, body


def _codes(error: BaseException) -> _Codes:
    for kind in type(error).__mro__:
        if kind in _TABLE:
            return _TABLE[kind]
    return _INTERNAL


def _text(error: BaseException) -> str:
    return str(error) if isinstance(error, errors.RunstreamError) else "internal error; see the server's log"


def _info(error: BaseException) -> error_details_pb2.ErrorInfo:
    reason = error.reason if isinstance(error, errors.RunstreamError) else "INTERNAL"
    metadata = {"field": error.field} if isinstance(error, errors.InvalidField) else {}
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)


def _details(error: BaseException) -> list[Any]:
    details: list[Any] = [_info(error)]
    if isinstance(error, errors.RunstreamError) and error.retryable:
        delay_s = error.retry_after_s if isinstance(error, errors.QuotaExceeded) else _RETRY_AFTER_S
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(delay_s * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details
