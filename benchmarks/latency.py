"""P5: at half of full load, batch sent → ack, and logged → visible to a query; then the same beside hostile clients.

Full load is what the server takes in the same run from the same streams when they do not wait. Half of it is then
offered at a pace, an answer's time counting from when its batch was due. A probe logs through the SDK, 20 rows a
second, and asks the query service for the latest value all the while.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import runstream
from benchmarks import processes
from benchmarks.processes import Lines, Memory
from benchmarks.publishers import Plan
from benchmarks.report import arguments, quantile, say
from runstream import rpc_client
from runstream.endpoints import find_endpoints

CLIENTS, STREAMS, ROWS, KEYS = 2, 32, 100, 10
POINTS = ROWS * KEYS
IDLE_STREAMS = 300


class Trainers:
    """Processes of clients: live streams, half of them in each."""

    def __init__(self, address: str, clients: list[Lines]) -> None:
        self._clients = clients
        self._plan = Plan(address, "", STREAMS, rows=ROWS, keys=KEYS, window=16)

    def stream(self, run: str, **changes: Any) -> list[dict[str, Any]]:
        """All of them carry out a plan."""
        for number, client in enumerate(self._clients):
            client.tell(asdict(replace(self._plan, run=run, first=number * STREAMS, **changes)))
        return [client.hear() for client in self._clients]

    def full_rate(self, batches: int) -> float:
        """Points per second when nobody waits."""
        answers = self.stream("full", batches=batches)
        return sum(answer["acked"] / answer["seconds"] for answer in answers)

    def acks(self, run: str, rate: float, seconds: float) -> dict[str, Any]:
        """Ack latencies at a rate of points."""
        interval_s = CLIENTS * STREAMS * POINTS / rate
        answers = self.stream(run, batches=max(2, int(seconds / interval_s)), interval_s=interval_s)
        took = sorted(ack for answer in answers for ack in answer["acks"])
        return {
            "offered_points_per_s": round(rate),
            "acked_points_per_s": round(sum(answer["acked"] / answer["seconds"] for answer in answers)),
            "ack_ms": {"p50": round(quantile(took, 0.5) * 1000), "p99": round(quantile(took, 0.99) * 1000)},
            "broken_streams": sum(answer["broken_count"] for answer in answers),
        }


class Probe:
    """Logs rows through the SDK and sees when a query shows them."""

    def __init__(self, url: str, folder: str) -> None:
        self._url = url
        self._run = runstream.init(project="bench", id="probe", dir=folder, settings={"quiet": True, "base_url": url})
        self._logged: list[float] = []
        self._visible_s: list[float] = []
        self._stopped = threading.Event()

    @contextlib.contextmanager
    def measuring(self) -> Iterator[list[float]]:
        """Collects seconds from log() to the answer that shows the row."""
        self._visible_s = []
        self._stopped.clear()
        threads = [threading.Thread(target=each) for each in (self._log, self._ask)]
        for thread in threads:
            thread.start()
        yield self._visible_s
        self._stopped.set()
        for thread in threads:
            thread.join()

    def finish(self) -> None:
        """Ends the run."""
        self._run.finish()

    def _log(self) -> None:
        while not self._stopped.wait(0.05):
            self._run.log({"probe": len(self._logged)}, step=len(self._logged))
            self._logged.append(time.perf_counter())

    def _ask(self) -> None:
        seen = len(self._logged)
        request = {"runs": ["-/bench/probe"], "keys": ["probe"]}
        while not self._stopped.wait(0.01):
            values = rpc_client.call(self._url, "QueryService/GetLatest", request).get("values", [])
            now = time.perf_counter()
            shown = int(values[0].get("step", 0)) + 1 if values else 0
            self._visible_s += [now - logged for logged in self._logged[seen:shown]]
            seen = max(seen, shown)


def measure(run: str, trainers: Trainers, probe: Probe, rate: float, seconds: float) -> dict[str, Any]:
    """Both latencies at a rate."""
    with probe.measuring() as visible_s:
        figures = trainers.acks(run, rate, seconds)
    visible = sorted(visible_s)
    ms = {"p50": round(quantile(visible, 0.5) * 1000), "p99": round(quantile(visible, 0.99) * 1000)}
    return {**figures, "visible_ms": ms, "probes": len(visible)}


def main() -> None:
    args = arguments(__doc__ or "")
    full_batches, seconds = (10, 3.0) if args.smoke else (60, 12.0)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        url, service = stack.enter_context(processes.server(Path(name) / "data"))
        address = find_endpoints(url).grpc
        clients = [stack.enter_context(processes.process("-P", "-m", "benchmarks.publishers")) for _ in range(CLIENTS)]
        trainers = Trainers(address, [Lines(client) for client in clients])
        probe = Probe(url, name)
        trainers.full_rate(max(2, full_batches // 4))  # warms up
        full = trainers.full_rate(full_batches)
        with Memory(service) as memory:
            alone = measure("alone", trainers, probe, full / 2, seconds)
        with Memory(service) as memory_beside:
            hostiles = stack.enter_context(
                processes.process("-P", "-m", "benchmarks.hostiles", address, str(IDLE_STREAMS))
            )
            beside = measure("beside", trainers, probe, full / 2, seconds)
            assert hostiles.stdin
            hostiles.stdin.close()
            done = Lines(hostiles).hear()
        probe.finish()
        receipt = probe._run.receipt
    say(
        "latency",
        {"P5": "at_half_load: ack_ms.p99 <= 1000, visible_ms.p99 <= 2000"},
        {
            "streams": CLIENTS * STREAMS,
            "points_of_a_batch": POINTS,
            "full_points_per_s": round(full),
            "at_half_load": alone,
            "beside_hostile_clients": beside,
            "hostile_clients_did": done,
            "ratio_of_ack_p99": round(beside["ack_ms"]["p99"] / alone["ack_ms"]["p99"], 2),
            "ratio_of_visible_p99": round(beside["visible_ms"]["p99"] / alone["visible_ms"]["p99"], 2),
            "server_peak_mb": round(memory.peak_mb),
            "server_peak_mb_beside": round(memory_beside.peak_mb),
            "probe_complete": receipt is not None and receipt.complete,
        },
    )


if __name__ == "__main__":
    main()
