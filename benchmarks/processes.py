"""Processes that benchmarks start: services, the bare engine, clients; their memory and CPU seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def process(*arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A Python process of this checkout with pipes for lines; ended with the block."""
    made = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **(environ or {})},
        cwd=ROOT,
    )
    try:
        yield made
    finally:
        if made.stdin:
            with contextlib.suppress(BrokenPipeError):
                made.stdin.close()
        made.terminate()
        made.wait()
        if made.stdout:
            made.stdout.close()


@contextlib.contextmanager
def ingest(data: Path) -> Iterator[tuple[str, psutil.Process]]:
    """An ingest service with a chDB of its own: its HTTP address and its process."""
    arguments = ("-P", "-m", "ingest", "--clickhouse", f"chdb://{data}", "--port", "0", "--grpc-port", "0")
    with process(*arguments) as made:
        yield _ready_url(made), psutil.Process(made.pid)


@contextlib.contextmanager
def server(data: Path, port: int = 0) -> Iterator[tuple[str, psutil.Process]]:
    """``runstream server``: its HTTP address and its process."""
    arguments = ("-m", "runstream", "server", "--data", str(data), "--port", str(port), "--grpc-port", "0")
    with process(*arguments) as made:
        yield _ready_url(made), psutil.Process(made.pid)


class Lines:
    """Talks JSON with a process, a line each way."""

    def __init__(self, made: subprocess.Popen[str]) -> None:
        self._process = made

    def tell(self, message: Mapping[str, Any]) -> None:
        """Sends a line."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """Waits for a line."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        return json.loads(line)

    def ask(self, message: Mapping[str, Any]) -> Any:
        """Sends a line and waits for one."""
        self.tell(message)
        return self.hear()


class Memory:
    """Samples a process's resident memory until the block ends.

    Attributes:
        before_mb: at the beginning.
        peak_mb: the most seen.
    """

    def __init__(self, watched: psutil.Process, interval_s: float = 0.1) -> None:
        self._watched = watched
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.before_mb = self.peak_mb = self._now()

    def _now(self) -> float:
        return float(self._watched.memory_info().rss) / (1 << 20)

    def _sample(self) -> None:
        while not self._stopped.wait(self._interval_s):
            with contextlib.suppress(psutil.NoSuchProcess):
                self.peak_mb = max(self.peak_mb, self._now())

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()


def cpu_seconds(watched: psutil.Process) -> float:
    """CPU time that a process has used."""
    times = watched.cpu_times()
    return float(times.user + times.system)


def metric(base_url: str, name: str) -> float:
    """The sum of a metric's samples on a service's ``/metrics``."""
    with urllib.request.urlopen(f"{base_url}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


def _ready_url(made: subprocess.Popen[str]) -> str:
    assert made.stdout
    return made.stdout.readline().split()[3]
