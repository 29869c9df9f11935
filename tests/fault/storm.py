"""A fleet under random kills, pauses and network faults: trainers, their forwarders, two ingests, the engine.

    trainer ─ spool ─ forwarder ──[proxy]──► ingest ──[proxy]──► engine ◄── query
      × 6               × 3                    × 2

Every trainer is a real process that logs rows whose values follow from their step, and notes after each ``log()`` how
many have returned. So what must be stored in the end is known to the row, whoever died when.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from fault.check import Report, Trainer, check_receipts, compare, count_duplicates
from fault.network import Network
from support.ports import free_ports
from support.processes import Process, environ, run_cli, wait_until
from support.proxy import Proxy

_FLEET = 6
_STEPS = 4000
_RECORD_BYTES = 1 << 20
_TRAINER = Path(__file__).with_name("trainer.py")


class Storm:
    """The fleet, and what hits it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.report = Report(seed)
        self._stack = contextlib.ExitStack()
        self.ports = free_ports(7)
        self.engine_url = f"http://127.0.0.1:{self.ports[0]}"
        self._to_engine = self._proxy(self.ports[0])
        self._to_ingests = [self._proxy(self.ports[2]), self._proxy(self.ports[4])]
        hops = {"engine": self._to_engine, "ingest 1": self._to_ingests[0], "ingest 2": self._to_ingests[1]}
        self.network = Network(self.random, hops, self.report.network)
        self.engine = self._start_engine()
        self.ingests = [self._start_ingest(0), self._start_ingest(1)]
        self.query = _ready(["-P", "-m", "query", "--clickhouse", self.engine_url, *_at(self.ports[5], self.ports[6])])
        urls = ",".join(f"http://127.0.0.1:{self.ports[index]}" for index in (1, 3))
        self.env = environ(
            RUNSTREAM_BASE_URL=urls,
            RUNSTREAM_GIVE_UP_AFTER_S="90",
            RUNSTREAM_FINISH_TIMEOUT_S="2",
            RUNSTREAM_UNREACHABLE_TIMEOUT_S="2",
        )
        self.trainers: list[Trainer] = []

    def blow(self, kills: int) -> None:
        """Kills so many processes, and pauses others and harms connections meanwhile; keeps six trainers up."""
        blows: list[tuple[Callable[[], object], int]] = [
            (self._kill_trainer, 30),
            (self._kill_forwarder, 40),
            (self._kill_ingest, 8),
            (self._kill_engine, 3),
            (self._pause_something, 14),
            (self.network.hit, 45),
        ]
        is_one_lost = False
        while self.report.kills.total() < kills:
            while len(self._living()) < _FLEET:
                self._start_pair()
            time.sleep(self.random.uniform(0.01, 0.15))
            self.random.choices([blow for blow, _ in blows], [weight for _, weight in blows])[0]()
            if not is_one_lost and self.report.kills.total() > kills // 4:
                is_one_lost = self.network.lose_a_server_for_good("ingest 1")

    def settle(self) -> None:
        """Lets trainers end and everything arrive: by their forwarders, or by `runstream sync` for the orphans."""
        self.network.calm()
        for trainer in self.trainers:
            # A trainer that was not killed ends well, whatever happened to the tracker (I4).
            assert trainer.process.wait(60) in (0, -signal.SIGKILL), trainer
        wait_until(lambda: not self._forwarders() or self._spools_left() == 0, deadline_s=90, what="forwarders end")
        done = run_cli("sync", "--json", env=self.env, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        assert self._spools_left() == 0

    def check(self) -> None:
        """Compares what is stored with what was logged, point by point, and both with the receipts."""
        compare(self.report, self.trainers, self.query.url, "storm")
        count_duplicates(self.report, self.engine_url)
        check_receipts(self.folder / "runstream-runs", self.query.url, "storm")

    def stop(self) -> None:
        """Ends everything that was started."""
        for trainer in self.trainers:
            if trainer.process.poll() is None:
                trainer.process.kill()
            trainer.process.wait()
        for forwarder in self._forwarders():
            forwarder.kill()
        for process in (*self.ingests, self.query, self.engine):
            process.stop()
        self._stack.close()

    def _proxy(self, port: int) -> Proxy:
        return self._stack.enter_context(Proxy("127.0.0.1", port, record_bytes=_RECORD_BYTES))

    def _start_pair(self) -> None:
        run = f"run-{len(self.trainers)}"
        for rank in (0, 1):
            counter = self.folder / f"{run}-{rank}.count"
            process = subprocess.Popen(
                [sys.executable, _TRAINER, counter, "storm", run, str(rank), str(_STEPS), "0.001"],
                cwd=self.folder, env=self.env, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            self.trainers.append(Trainer(run, rank, counter, process))

    def _living(self) -> list[Trainer]:
        return [trainer for trainer in self.trainers if trainer.process.poll() is None]

    def _forwarders(self) -> list[psutil.Process]:
        mark = str(self.folder / "runstream-runs")
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or ())
            if "runstream.forward" in line and mark in line and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def _spools_left(self) -> int:
        identities = (self.folder / "runstream-runs").rglob("writer.json")
        return sum(not (identity.parent / "receipt.json").exists() for identity in identities)

    def _kill_trainer(self) -> None:
        ready = [trainer for trainer in self._living() if trainer.returned() > 100]
        if ready:
            self.random.choice(ready).process.kill()
            self.report.kills["trainer"] += 1

    def _kill_forwarder(self) -> None:
        found = self._forwarders()
        if found:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.random.choice(found).kill()
                self.report.kills["forwarder"] += 1

    def _kill_ingest(self) -> None:
        index = self.random.randrange(2)
        self.report.kills["ingest"] += 1
        self.ingests[index].kill()
        self.ingests[index] = self._start_ingest(index)

    def _kill_engine(self) -> None:
        self.report.kills["engine"] += 1
        self.engine.kill()
        self.engine = self._start_engine()

    def _pause_something(self) -> None:
        kinds = {
            "trainer": [trainer.process.pid for trainer in self._living()],
            "forwarder": [process.pid for process in self._forwarders()],
            "ingest": [process.popen.pid for process in self.ingests],
            "engine": [self.engine.popen.pid],
        }
        kind = self.random.choice([kind for kind, found in kinds.items() if found])
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.random.choice(kinds[kind]))
            process.suspend()
            self.report.pauses[kind] += 1
            timer = threading.Timer(self.random.uniform(0.1, 1.0), _resume, [process])
            timer.daemon = True
            timer.start()

    def _start_engine(self) -> Process:
        return _ready(["-m", "runstream", "clickhouse", "--data", str(self.folder / "engine"), *_at(self.ports[0])])

    def _start_ingest(self, index: int) -> Process:
        ports = _at(self.ports[1 + 2 * index], self.ports[2 + 2 * index])
        advertised = self._to_ingests[index].address
        arguments = ["-P", "-m", "ingest", "--clickhouse", self._to_engine.url, "--advertised-grpc", advertised]
        return _ready([*arguments, *ports])


def _at(port: int, grpc_port: int = 0) -> list[str]:
    return ["--port", str(port), *(["--grpc-port", str(grpc_port)] if grpc_port else [])]


def _resume(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.resume()


def _ready(arguments: list[str]) -> Process:
    """Starts until it starts: what it needs may be away, or its port not free again."""

    def start() -> Process | None:
        process = Process(arguments)
        if "ready" in process.first_line:
            return process
        process.kill()
        return None

    return wait_until(start, what=" ".join(arguments))
