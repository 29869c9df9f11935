"""Calls to a server's JSON methods with the standard library alone: for the SDK and the command line."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from runstream import errors
from runstream.endpoints import check_base_url

_BY_REASON: dict[str, type[errors.RunstreamError]] = {
    kind.reason: kind
    for kind in (
        errors.NotFound,
        errors.Conflict,
        errors.KeyMissing,
        errors.KeyUnknown,
        errors.NotAllowed,
        errors.StorageUnavailable,
        errors.Stopping,
    )
}


def call(
    base_url: str, method: str, request: Mapping[str, Any], *, api_key: str = "", timeout_s: float = 60.0
) -> dict[str, Any]:
    """Calls ``Service/Method`` of package runstream.v1 and returns its answer in proto3 JSON.

    Of several base URLs with commas between, the first that has the service answers.

    Raises:
        InvalidField: the address cannot be.
        RunstreamError: of the kind the server named.
        ServerUnreachable: nothing answers, or no runstream server.
    """
    check_base_url(base_url)
    for url in base_url.split(","):
        try:
            return _call(url, method, request, api_key, timeout_s)
        except errors.ServerUnreachable as error:
            trouble = error
    raise trouble


def _call(url: str, method: str, request: Mapping[str, Any], api_key: str, timeout_s: float) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    http_request = urllib.request.Request(
        f"{url.rstrip('/')}/runstream.v1.{method}", json.dumps(request).encode(), headers
    )
    try:
        with urllib.request.urlopen(http_request, timeout=timeout_s) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise errors.ServerUnreachable(
            f"no runstream server answers at {url} ({getattr(error, 'reason', error)})",
            next_step="start one with `runstream server`, or set RUNSTREAM_BASE_URL",
        ) from error


def _refusal(error: urllib.error.HTTPError) -> errors.RunstreamError:
    try:
        body = json.loads(error.read())
        details = body["details"][0]
    except (ValueError, KeyError, IndexError, TypeError):
        return errors.ServerUnreachable(f"{error.url} answered {error.code} {error.reason}")
    if details["reason"] == errors.InvalidField.reason:
        field, _, text = str(body["message"]).partition(": ")
        return errors.InvalidField(field, text)
    return _BY_REASON.get(details["reason"], errors.RunstreamError)(body["message"])
