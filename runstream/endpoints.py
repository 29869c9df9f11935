"""From one base URL to the addresses behind it: ``GET /api/endpoints``."""

from __future__ import annotations

import http.client
import json
import random
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
    """Asks a server that takes points where its gRPC port is.

    Args:
        base_url: ``http(s)://host[:port]``, or several with commas between: one of them that answers and has the
            ingest service is taken, beginning anywhere, so that clients spread and move over when one dies.
        timeout_s: longest wait for each, seconds.

    Raises:
        InvalidField: the URL has another form.
        ServerUnreachable: nothing answers there, or no runstream server.
    """
    check_base_url(base_url)
    urls = base_url.split(",")
    first = random.randrange(len(urls))
    for index in range(len(urls)):
        url = urls[(first + index) % len(urls)]
        try:
            return _ask(url, timeout_s)
        except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
            trouble = error
    raise ServerUnreachable(
        f"no runstream server answers at {base_url} ({getattr(trouble, 'reason', trouble)})",
        next_step="start one with `runstream server`, or set RUNSTREAM_BASE_URL",
    ) from trouble


def check_base_url(base_url: str) -> None:
    """Raises InvalidField if an address in it has another form."""
    for url in base_url.split(","):
        try:
            parts = urlsplit(url)
            is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # of the port, or of brackets
            is_fine = False
        if not is_fine:
            raise InvalidField("base_url", f"must be http(s)://host[:port], not {url!r}")


def _ask(url: str, timeout_s: float) -> Endpoints:
    with urllib.request.urlopen(f"{url.rstrip('/')}/api/endpoints", timeout=timeout_s) as response:
        answer = json.load(response)
    if "ingest" not in answer["services"]:
        raise ValueError(f"{url} has no ingest service")
    return Endpoints(str(answer["grpc"]), url.startswith("https:"))
