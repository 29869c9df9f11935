"""Is a process alive, and is each of its services ready: gRPC health, /healthz, /readyz.

Liveness does not depend on ClickHouse, or a busy database would restart every pod; readiness does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc.aio
from aiohttp import web
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as grpc_health

from runstream.service.service import Service

_CHECK_S = 1.0
_Status = health_pb2.HealthCheckResponse


class Health:
    """The health of a process's services."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._servicer = grpc_health.HealthServicer()
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    def add_to_grpc(self, server: grpc.aio.Server) -> None:
        """Registers the standard health service: "" is liveness, a service's name its readiness."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def add_to_http(self, app: web.Application) -> None:
        """Registers /healthz and /readyz."""
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)

    async def start(self) -> None:
        """Says alive, and begins to look at readiness."""
        await self._servicer.set("", _Status.SERVING)
        await self._look()
        self._task = asyncio.create_task(self._keep_looking(), name="health")

    async def stop(self) -> None:
        """Says not ready, so that no new traffic comes."""
        self._is_stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._look()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_S)
            await self._look()

    async def _look(self) -> None:
        reasons = self._reasons()
        for service in self._services:
            ready = _Status.NOT_SERVING if service.name in reasons else _Status.SERVING
            await self._servicer.set(service.name, ready)

    def _reasons(self) -> dict[str, str]:
        if self._is_stopping:
            return {service.name: "stopping" for service in self._services}
        asked = ((service.name, service.not_ready_because()) for service in self._services)
        return {name: reason for name, reason in asked if reason}

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _readyz(self, request: web.Request) -> web.Response:
        reasons = self._reasons()
        return web.json_response({"ready": not reasons, "because": reasons}, status=503 if reasons else 200)
