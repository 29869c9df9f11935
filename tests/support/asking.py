"""Questions to a running query service."""

from __future__ import annotations

import urllib.request
from typing import Any

from runstream import rpc_client
from runstream.v1 import query_pb2


def ask(url: str, method: str, **request: Any) -> dict[str, Any]:
    """Calls a QueryService method with JSON."""
    return rpc_client.call(url, f"QueryService/{method}", request)


def history(url: str, **fields: Any) -> list[query_pb2.Curve]:
    """Calls GetHistory with protobuf."""
    body = query_pb2.GetHistoryRequest(**fields).SerializeToString()
    request = urllib.request.Request(
        f"{url}/runstream.v1.QueryService/GetHistory", body, {"Content-Type": "application/proto"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return list(query_pb2.GetHistoryResponse.FromString(response.read()).curves)


def points(url: str, run: str, keys: list[str]) -> dict[tuple[str, int], dict[int, float]]:
    """Every point of a run of at most 10,000 steps: (key, rank) to step to value."""
    curves = history(url, runs=[run], keys=keys, max_buckets=10_000)
    assert all(curve.exact for curve in curves)
    return {(curve.key, curve.rank): dict(zip(curve.steps, curve.last, strict=True)) for curve in curves}
