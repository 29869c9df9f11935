"""A fleet of real processes: trainers and their forwarders, ingest processes, the engine, a query service.

    trainer ─ spool ─ forwarder ──[proxy]──► ingest ──[proxy]──► engine ◄── query
                                              × n

Everything is at an address of its own, so whatever dies comes back at the same one.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil
from fault.check import Report, Trainer, check_receipts, compare, count_duplicates
from support.asking import ask
from support.ports import free_ports
from support.processes import Process, environ, run_cli, wait_until
from support.proxy import Proxy

from runstream.errors import RunstreamError

_RECORD_BYTES = 1 << 20
_TRAINER = Path(__file__).with_name("trainer.py")


class Fleet:
    """Engine, ingests and query, started; trainers as they are asked for.

    Args:
        folder: for everything that is kept.
        project: of all runs.
        ingests: how many, behind one list of addresses.
        through_proxies: put a proxy before the engine and before each ingest's gRPC port.
        disk: arguments that come before the engine's, such as those of ``small_disk.py``.
        env: more environment of every process.
    """

    def __init__(
        self,
        folder: Path,
        project: str,
        *,
        ingests: int = 1,
        through_proxies: bool = False,
        disk: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.project = folder, project
        self.spools = folder / "runstream-runs"
        self.report = Report()
        self.trainers: list[Trainer] = []
        self._stack = contextlib.ExitStack()
        self._disk = disk
        self._more_env = dict(env or {})
        self._ports = free_ports(3 + 2 * ingests)
        self.engine_url = f"http://127.0.0.1:{self._ports[0]}"
        self.to_engine = self._proxy(self._ports[0]) if through_proxies else None
        self.to_ingests = [self._proxy(self._ports[4 + 2 * index]) for index in range(ingests) if through_proxies]
        self.env = self.environ(
            RUNSTREAM_BASE_URL=",".join(f"http://127.0.0.1:{self._ports[3 + 2 * index]}" for index in range(ingests)),
            RUNSTREAM_GIVE_UP_AFTER_S="90",
        )
        self.engine = self.start_engine()
        self.ingests = [self.start_ingest(index) for index in range(ingests)]
        self.query = self._ready(
            ["-P", "-m", "query", "--clickhouse", self.engine_url, *_at(self._ports[1], self._ports[2])]
        )

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for trainer in self.trainers:
            if trainer.process.poll() is None:
                trainer.process.kill()
            trainer.process.wait()
        for forwarder in self.forwarders():
            forwarder.kill()
        for process in (*self.ingests, self.query, self.engine):
            process.stop()
        self._stack.close()

    def environ(self, **changes: str) -> dict[str, str]:
        """The environment of a process of the fleet."""
        return environ(**{**self._more_env, **changes})

    def start_engine(self) -> Process:
        """Starts the engine at its address."""
        engine = ["-m", "runstream", "clickhouse", "--data", str(self.folder / "engine"), *_at(self._ports[0])]
        return self._ready([*self._disk, *engine])

    def start_ingest(self, index: int) -> Process:
        """Starts an ingest process at its address."""
        arguments = ["-P", "-m", "ingest", "--clickhouse", self.to_engine.url if self.to_engine else self.engine_url]
        if self.to_ingests:
            arguments += ["--advertised-grpc", self.to_ingests[index].address]
        return self._ready([*arguments, *_at(self._ports[3 + 2 * index], self._ports[4 + 2 * index])])

    def grpc_port(self, index: int) -> int:
        """The gRPC port of an ingest process."""
        return self._ports[4 + 2 * index]

    def start_trainer(self, run: str, rank: int, *, steps: int, pause_s: float = 0.001) -> Trainer:
        """Starts one process of a run."""
        counter = self.folder / f"{run}-{rank}.count"
        with (self.folder / f"{run}-{rank}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, _TRAINER, counter, self.project, run, str(rank), str(steps), str(pause_s)],
                cwd=self.folder, env=self.env, stderr=log,
            )  # fmt: skip
        trainer = Trainer(run, rank, counter, process)
        self.trainers.append(trainer)
        return trainer

    def said(self, trainer: Trainer) -> list[str]:
        """The lines that a trainer printed on stderr."""
        return (self.folder / f"{trainer.run}-{trainer.rank}.log").read_text().splitlines()

    def living(self) -> list[Trainer]:
        """Trainers that have not ended."""
        return [trainer for trainer in self.trainers if trainer.process.poll() is None]

    def forwarders(self) -> list[psutil.Process]:
        """Forwarders of the fleet's runs that have not ended."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or ())
            is_ours = "runstream.forward" in line and str(self.spools) in line
            if is_ours and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def acked(self) -> int:
        """Points whose commit was acknowledged to a forwarder, so far."""
        return sum(int(json.loads(file.read_text())["stored"]) for file in self.spools.rglob("acked.json"))

    def state(self, run: str) -> str:
        """What the query service says of a run; nothing while it knows none, or cannot say."""
        try:
            return str(ask(self.query.url, "GetRun", name=f"local/{self.project}/{run}")["run"]["state"])
        except RunstreamError:
            return ""

    def open_spools(self) -> int:
        """Writers whose account is not closed."""
        identities = self.spools.rglob("writer.json")
        return sum(not (identity.parent / "receipt.json").exists() for identity in identities)

    def settle(self) -> None:
        """Lets trainers end and everything arrive: by their forwarders, or by `runstream sync` for the orphans."""
        for trainer in self.trainers:
            # A trainer that was not killed ends well, whatever happened to the tracker (I4).
            assert trainer.process.wait(60) in (0, -9), trainer
        wait_until(lambda: not self.forwarders() or self.open_spools() == 0, deadline_s=90, what="forwarders end")
        done = run_cli("sync", "--json", env=self.env, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        assert self.open_spools() == 0

    def check(self) -> Report:
        """Compares what is stored with what was logged, point by point, and both with the receipts."""
        compare(self.report, self.trainers, self.query.url, self.project)
        count_duplicates(self.report, self.engine_url)
        check_receipts(self.spools, self.query.url, self.project)
        assert self.report.is_clean, self.report
        return self.report

    def _proxy(self, port: int) -> Proxy:
        return self._stack.enter_context(Proxy("127.0.0.1", port, record_bytes=_RECORD_BYTES))

    def _ready(self, arguments: Sequence[str]) -> Process:
        """Starts until it starts: what it needs may be away, or its port not free again."""

        def start() -> Process | None:
            process = Process(arguments, self.environ())
            if "ready" in process.first_line:
                return process
            process.kill()
            return None

        return wait_until(start, what=" ".join(arguments))


def _at(port: int, grpc_port: int = 0) -> list[str]:
    return ["--port", str(port), *(["--grpc-port", str(grpc_port)] if grpc_port else [])]
