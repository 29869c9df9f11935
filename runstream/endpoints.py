"""From one base URL to the addresses behind it: ``GET /api/endpoints``."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from runstream.errors import InvalidField, ServerUnreachable


@dataclass(frozen=True)
class Endpoints:
    """Where a server's parts listen."""

    grpc: str
    is_secure: bool


def find_endpoints(base_url: str, *, timeout_s: float = 5.0) -> Endpoints:
    """Asks a server where its gRPC port is.

    Args:
        base_url: ``http(s)://host[:port]``.
        timeout_s: longest wait, seconds.

    Raises:
        InvalidField: the URL has another form.
        ServerUnreachable: nothing answers there, or no runstream server.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidField("base_url", f"must be http(s)://host[:port], not {base_url!r}")
    try:
        with urllib.request.urlopen(f"{base_url.rstrip('/')}/api/endpoints", timeout=timeout_s) as response:
            answer = json.load(response)
            return Endpoints(str(answer["grpc"]), parts.scheme == "https")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", error)
        raise ServerUnreachable(
            f"no runstream server answers at {base_url} ({reason})",
            next_step="start one with `runstream server`, or set RUNSTREAM_BASE_URL",
        ) from error
