"""Random kills, pauses and network faults on a fleet under load."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from fault.fleet import Fleet
from fault.network import Network

_TRAINERS = 6
_STEPS = 4000


class Storm(Fleet):
    """A fleet of six trainers, three forwarders and two ingests behind proxies, and what hits it.

    Args:
        folder: for everything that is kept.
        seed: of all that is random.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, "storm", ingests=2, through_proxies=True)
        # Orphans are many and `finish()` waits in vain for them.
        self.env |= {"RUNSTREAM_FINISH_TIMEOUT_S": "2", "RUNSTREAM_UNREACHABLE_TIMEOUT_S": "2"}
        self.random = random.Random(seed)
        self.report.seed = seed
        assert self.to_engine is not None
        hops = {"engine": self.to_engine, "ingest 1": self.to_ingests[0], "ingest 2": self.to_ingests[1]}
        self.network = Network(self.random, hops, self.report.network)

    def blow(self, kills: int) -> None:
        """Kills so many processes, and pauses others and harms connections meanwhile; keeps six trainers up."""
        blows: list[tuple[Callable[[], object], int]] = [
            (self._kill_trainer, 30),
            (self._kill_forwarder, 40),
            (self._kill_ingest, 8),
            (self._kill_engine, 3),
            (self._pause_something, 14),
            (self.network.hit, 50),
        ]
        is_one_lost = False
        while self.report.kills.total() < kills:
            while len(self.living()) < _TRAINERS:
                run = f"run-{len(self.trainers)}"
                for rank in (0, 1):
                    self.start_trainer(run, rank, steps=_STEPS)
            time.sleep(self.random.uniform(0.01, 0.15))
            self.random.choices([blow for blow, _ in blows], [weight for _, weight in blows])[0]()
            if not is_one_lost and self.report.kills.total() > kills // 4:
                is_one_lost = self.network.lose_a_server_for_good("ingest 1")
        self.network.calm()

    def _kill_trainer(self) -> None:
        ready = [trainer for trainer in self.living() if trainer.returned() > 100]
        if ready:
            self.random.choice(ready).process.kill()
            self.report.kills["trainer"] += 1

    def _kill_forwarder(self) -> None:
        found = self.forwarders()
        if found:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.random.choice(found).kill()
                self.report.kills["forwarder"] += 1

    def _kill_ingest(self) -> None:
        index = self.random.randrange(2)
        self.report.kills["ingest"] += 1
        self.ingests[index].kill()
        self.ingests[index] = self.start_ingest(index)

    def _kill_engine(self) -> None:
        self.report.kills["engine"] += 1
        self.engine.kill()
        self.engine = self.start_engine()

    def _pause_something(self) -> None:
        kinds = {
            "trainer": [trainer.process.pid for trainer in self.living()],
            "forwarder": [process.pid for process in self.forwarders()],
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


def _resume(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.resume()
