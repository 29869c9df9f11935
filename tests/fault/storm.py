"""A fleet under random kills: trainers, their forwarders, two ingest processes and the engine behind them.

Every trainer is a real process that logs rows whose values follow from their step, and notes after each ``log()`` how
many have returned. So what must be stored in the end is known to the row, whoever died when.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from support.asking import points
from support.ports import free_ports
from support.processes import Process, environ, run_cli, wait_until

# argv: file for the count, run id, rank. Ends by itself after a while, killed or not.
TRAINER = """
import os, sys, time, runstream
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
run = runstream.init(project="storm", id=sys.argv[2], rank=int(sys.argv[3]), world_size=2, attempt=1,
                     settings={"quiet": True, "finish_timeout_s": 2, "unreachable_timeout_s": 2})
for step in range(4000):
    run.log({"a": step + run.rank / 10, "b": -step}, step=step)
    os.pwrite(out, b"%020d" % (step + 1), 0)
    time.sleep(0.001)
run.finish()
"""


@dataclass
class Trainer:
    """One process of a run."""

    run: str
    rank: int
    counter: Path
    process: subprocess.Popen[bytes]
    was_killed: bool = False

    def returned(self) -> int:
        """How many log() calls returned."""
        return int(self.counter.read_text() or 0) if self.counter.exists() else 0


@dataclass
class Report:
    """What a storm did and what was found after it."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    logged: int = 0
    stored: int = 0
    missing: int = 0
    duplicates: int = 0
    wrong: int = 0

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.kills.items()))
        return (
            f"seed {self.seed}: {self.kills.total()} kills and pauses ({kinds}), {self.runs} writers; points logged "
            f"{self.logged:,}, stored {self.stored:,}, missing {self.missing}, duplicates {self.duplicates}, "
            f"wrong {self.wrong}"
        )


class Storm:
    """The fleet, and what hits it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.report = Report(seed)
        self.ports = free_ports(7)
        self.engine_url = f"http://127.0.0.1:{self.ports[0]}"
        self.engine = self._start_engine()
        self.ingests = [self._start_service("ingest", 1), self._start_service("ingest", 3)]
        self.query = self._start_service("query", 5)
        urls = ",".join(f"http://127.0.0.1:{self.ports[index]}" for index in (1, 3))
        self.env = environ(RUNSTREAM_BASE_URL=urls, RUNSTREAM_GIVE_UP_AFTER_S="60")
        (folder / "trainer.py").write_text(TRAINER)
        self.trainers: list[Trainer] = []

    def blow(self, hits: int) -> None:
        """Hits so many processes, with a fleet of six trainers kept up meanwhile."""
        blows: list[tuple[Callable[[], bool], int]] = [
            (self._kill_trainer, 35),
            (self._kill_forwarder, 45),
            (self._pause_something, 8),
            (self._kill_ingest, 9),
            (self._kill_engine, 3),
        ]
        while self.report.kills.total() < hits:
            while len(self._living()) < 6:
                self._start_pair()
            time.sleep(self.random.uniform(0.02, 0.25))
            self.random.choices([blow for blow, _ in blows], [weight for _, weight in blows])[0]()

    def settle(self) -> None:
        """Lets trainers end and everything arrive: by their forwarders, or by `runstream sync` for the orphans."""
        for trainer in self.trainers:
            trainer.process.wait(60)
        wait_until(lambda: not self._forwarders() or self._spools_left() == 0, deadline_s=60, what="forwarders end")
        done = run_cli("sync", "--json", env=self.env, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        assert self._spools_left() == 0

    def check(self) -> Report:
        """Compares what is stored with what was logged, point by point."""
        report = self.report
        report.runs = len(self.trainers)
        for trainer in self.trainers:
            returned = trainer.returned()
            found = points(self.query.url, f"local/storm/{trainer.run}", ["a", "b"])
            for key, value_of in (("a", lambda step: step + trainer.rank / 10), ("b", lambda step: -step)):  # noqa: B023
                steps = found.get((key, trainer.rank), {})
                report.logged += returned
                report.stored += len(steps)
                report.missing += sum(step not in steps for step in range(returned))
                # A call that was killed between its write and its return may be there: one more step, no more.
                report.wrong += sum(step > returned for step in steps)
                report.wrong += sum(value != value_of(step) for step, value in steps.items())
        report.duplicates = self._duplicates()
        return report

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

    def _duplicates(self) -> int:
        """Row keys that FINAL shows more than once."""
        from runstream.store.client import Store

        store = Store(self.engine_url)
        by_key = "project_id, run_id, key, step, rank, attempt"
        (row,) = store.query(f"SELECT count() - uniqExact({by_key}) FROM points FINAL")
        store.close()
        return int(row[0])

    def _start_pair(self) -> None:
        run = f"run-{len(self.trainers)}"
        for rank in (0, 1):
            counter = self.folder / f"{run}-{rank}.count"
            process = subprocess.Popen(
                [sys.executable, "trainer.py", str(counter), run, str(rank)],
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

    def _hit(self, kind: str, process_id: int, number: signal.Signals = signal.SIGKILL) -> bool:
        try:
            os.kill(process_id, number)
        except ProcessLookupError:
            return False
        self.report.kills[kind] += 1
        return True

    def _kill_trainer(self) -> bool:
        ready = [trainer for trainer in self._living() if trainer.returned() > 100]
        if not ready:
            return False
        return self._hit("trainer", self.random.choice(ready).process.pid)

    def _kill_forwarder(self) -> bool:
        found = self._forwarders()
        return bool(found) and self._hit("forwarder", self.random.choice(found).pid)

    def _pause_something(self) -> bool:
        candidates = [process.popen.pid for process in (*self.ingests, self.engine)]
        candidates += [process.pid for process in self._forwarders()]
        chosen = self.random.choice(candidates)
        if not self._hit("pause", chosen, signal.SIGSTOP):
            return False
        time.sleep(self.random.uniform(0.1, 0.5))
        try:
            os.kill(chosen, signal.SIGCONT)
        except ProcessLookupError:
            return False
        return True

    def _kill_ingest(self) -> bool:
        index = self.random.randrange(2)
        self.report.kills["ingest"] += 1
        self.ingests[index].kill()
        self.ingests[index] = self._start_service("ingest", 1 + 2 * index)
        return True

    def _kill_engine(self) -> bool:
        self.report.kills["engine"] += 1
        self.engine.kill()
        self.engine = self._start_engine()
        return True

    def _start_engine(self) -> Process:
        data = str(self.folder / "engine")
        arguments = ["-m", "runstream", "clickhouse", "--data", data, "--port", str(self.ports[0])]
        return _ready(arguments)

    def _start_service(self, name: str, first_port: int) -> Process:
        ports = ["--port", str(self.ports[first_port]), "--grpc-port", str(self.ports[first_port + 1])]
        return _ready(["-P", "-m", name, "--clickhouse", self.engine_url, *ports])


def _ready(arguments: list[str]) -> Process:
    """Starts until it starts: what it needs may be away, or its port not free again."""

    def start() -> Process | None:
        process = Process(arguments)
        if "ready" in process.first_line:
            return process
        process.kill()
        return None

    return wait_until(start, what=" ".join(arguments))
