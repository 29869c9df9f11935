"""The seam between a service and its host: what a room offers so that it can run alone or beside others."""

from __future__ import annotations

from typing import Protocol

import grpc.aio
from aiohttp import web


class Service(Protocol):
    """One service. The host calls start, then serves, then drain, then stop; each once."""

    name: str
    """Short name: ingest, query, artifact; used by health checks, logs and metrics."""

    def add_to_grpc(self, server: grpc.aio.Server, /) -> None:
        """Registers the service's gRPC methods, before the server starts."""

    def add_to_http(self, app: web.Application, /) -> None:
        """Registers the service's HTTP routes, before the server starts."""

    async def start(self) -> None:
        """Opens what it needs. Raises RunstreamError to refuse to start."""

    def not_ready_because(self) -> str | None:
        """Why calls would fail now, or None if the service is ready. Cheap: asked by every probe."""

    async def drain(self) -> None:
        """Finishes what was accepted and asks clients to go elsewhere; new calls may still arrive."""

    async def stop(self) -> None:
        """Closes what start opened."""
