"""One table between errors and the wire; texts of defects stay inside."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from runstream import errors
from runstream.service import status
from runstream.v1 import common_pb2

KINDS = [
    (errors.InvalidField("a", "b"), grpc.StatusCode.INVALID_ARGUMENT, 400),
    (errors.NotFound("x"), grpc.StatusCode.NOT_FOUND, 404),
    (errors.Conflict("x"), grpc.StatusCode.ABORTED, 409),
    (errors.KeyMissing("x"), grpc.StatusCode.UNAUTHENTICATED, 401),
    (errors.KeyUnknown("x"), grpc.StatusCode.UNAUTHENTICATED, 401),
    (errors.NotAllowed("x"), grpc.StatusCode.PERMISSION_DENIED, 403),
    (errors.StorageUnavailable("x"), grpc.StatusCode.UNAVAILABLE, 503),
    (errors.Stopping("x"), grpc.StatusCode.UNAVAILABLE, 503),
    (errors.QuotaExceeded("x", retry_after_s=7), grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
]


@pytest.mark.parametrize(("error", "code", "http"), KINDS)
def test_codes_and_reasons(error: errors.RunstreamError, code: grpc.StatusCode, http: int) -> None:
    found, text, ((key, rich),) = status.to_grpc(error)
    assert (found, key) == (code, "grpc-status-details-bin")
    detail = status_pb2.Status.FromString(rich)
    info = error_details_pb2.ErrorInfo()
    assert detail.details[0].Unpack(info)
    assert info.reason == error.reason
    assert f"ERROR_REASON_{info.reason}" in list(common_pb2.ErrorReason.keys())
    assert (detail.message, detail.code) == (text, code.value[0])
    http_status, body = status.to_http(error)
    assert http_status == http
    assert body["details"][0]["reason"] == error.reason


def test_a_retryable_error_says_when() -> None:
    _, _, ((_, rich),) = status.to_grpc(errors.QuotaExceeded("x", retry_after_s=7))
    retry = error_details_pb2.RetryInfo()
    assert status_pb2.Status.FromString(rich).details[1].Unpack(retry)
    assert retry.retry_delay.seconds == 7


def test_a_field_is_named_for_programs_too() -> None:
    _, body = status.to_http(errors.InvalidField("steps", "are wrong", next_step="fix them"))
    assert body["message"] == "steps: are wrong; fix them"
    assert body["details"][0]["metadata"] == {"field": "steps"}


def test_a_defect_says_nothing_of_itself() -> None:
    for answer in (status.to_grpc(KeyError("password=x"))[1], status.to_http(KeyError("password=x"))[1]["message"]):
        assert "password" not in answer
