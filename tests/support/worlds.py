"""Where end-to-end tests run: everything in one process, or a process each against addresses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runstream.store.seaweed import Seaweed
from support.processes import Process, environ


@dataclass
class World:
    """A running runstream."""

    name: str
    ingest_url: str
    query_url: str
    artifact_url: str

    def env(self, **changes: str) -> dict[str, str]:
        """The environment of a training process."""
        urls = dict.fromkeys((self.ingest_url, self.query_url, self.artifact_url))
        return environ(RUNSTREAM_BASE_URL=",".join(urls), **changes)


@contextlib.contextmanager
def laptop(data: Path) -> Iterator[World]:
    """``runstream server``."""
    server = Process(["-m", "runstream", "server", "--data", str(data), "--port", "0", "--grpc-port", "0"])
    try:
        yield World("laptop", server.url, server.url, server.url)
    finally:
        assert server.stop() == 0


@contextlib.contextmanager
def processes(data: Path) -> Iterator[World]:
    """ingest, query and artifact_svc by themselves, against one ClickHouse address and one S3 address."""
    with contextlib.ExitStack() as stack:
        engine = Process(["-m", "runstream", "clickhouse", "--data", str(data / "clickhouse"), "--port", "0"])
        stack.callback(engine.stop)
        s3 = Seaweed(data / "s3")
        stack.callback(s3.stop)
        clickhouse = ["--clickhouse", engine.url, "--port", "0", "--grpc-port", "0"]
        urls = []
        for name, more in (("ingest", []), ("query", []), ("artifact_svc", ["--s3", s3.url])):
            service = Process(["-P", "-m", name, *clickhouse, *more])
            stack.callback(service.stop)
            urls.append(service.url)
        yield World("processes", *urls)


WORLDS = {"laptop": laptop, "processes": processes}
