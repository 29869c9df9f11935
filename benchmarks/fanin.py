"""P4: 4,096 writers of one run and 1,000 live streams at once on one ingest process: memory, nothing lost.

First as Publish streams: all are open at the same time, the writers send rows at a pace, the live streams send rows and
heartbeats. Then as a user has it: the spools of as many writers, idle and alive, then sent by one forwarder.
Memory is ingest's peak without that of a bare process whose chDB took the same rows. What is stored is counted in
the tables, writer by writer, after ingest has stopped.
"""

from __future__ import annotations

import contextlib
import functools
import select
import subprocess
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks import processes
from benchmarks.processes import Lines, Memory
from benchmarks.publishers import Plan
from benchmarks.report import arguments, say
from runstream.endpoints import find_endpoints
from runstream.names import run_id
from runstream.store.client import Store

KEYS = 3
ROWS, LIVE_ROWS, SPOOL_ROWS = 8, 2, 20
"""Rows of a batch of a writer and of a live stream, and rows of a spool."""


def fan_in(url: str, writers: int, live: int, batches: int, interval_s: float) -> dict[str, Any]:
    """All streams at once, from two processes of clients for the writers and one for the live streams."""
    address = find_endpoints(url).grpc
    half = Plan(address, "fan", writers // 2, batches=batches, rows=ROWS, keys=KEYS, interval_s=interval_s)
    half = replace(half, hold_s=2 * interval_s)  # until the slowest has opened and sent
    plans = [
        half,
        replace(half, first=writers // 2),
        replace(half, run="live", streams=live, own_runs=True, rows=LIVE_ROWS, heartbeat_s=interval_s),
    ]
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        clients: list[subprocess.Popen[str]] = [
            stack.enter_context(processes.process("-P", "-m", "benchmarks.publishers")) for _ in plans
        ]
        for client, plan in zip(clients, plans, strict=True):
            Lines(client).tell(asdict(plan))
        most_open = most_open_streams(url, clients)
        answers = [Lines(client).hear() for client in clients]
    acks = sorted(ack for answer in answers for ack in answer["acks"])
    return {
        "streams_open_at_once": most_open,
        "points_acked": sum(answer["acked"] for answer in answers),
        "points_planned": sum(plan.streams * plan.batches * plan.rows * plan.keys for plan in plans),
        "broken_streams": sum(answer["broken_count"] for answer in answers),
        "seconds": round(time.perf_counter() - began, 1),
        "ack_p50_ms": round(acks[len(acks) // 2] * 1000),
        "ack_p99_ms": round(acks[int(len(acks) * 0.99)] * 1000),
    }


def most_open_streams(url: str, clients: list[subprocess.Popen[str]]) -> int:
    """Asks ingest how many streams are open until the first client has its answer."""
    most = 0
    while not select.select([client.stdout for client in clients], [], [], 0.5)[0]:
        most = max(most, int(processes.metric(url, "runstream_ingest_streams_open")))
    return most


def forward(url: str, folder: Path, writers: int, idle_s: float) -> dict[str, Any]:
    """One forwarder for the spools of many living writers: idle, then all of them finish."""
    environ = {"RUNSTREAM_BASE_URL": url}
    with processes.process("-P", "-m", "benchmarks.spools", str(folder)) as owner:
        lines = Lines(owner)
        made = lines.ask({"writers": writers, "rows": SPOOL_ROWS, "keys": KEYS, "run": "spool"})
        with processes.process("-P", "-m", "runstream.forward", made["run_dir"], environ=environ) as forwarder:
            watched = psutil.Process(forwarder.pid)
            began, points = time.perf_counter(), writers * SPOOL_ROWS * KEYS
            before = processes.metric(url, "runstream_ingest_points_stored_total")
            while processes.metric(url, "runstream_ingest_points_stored_total") - before < points:
                time.sleep(0.2)
            caught_up_s = time.perf_counter() - began
            busy = processes.cpu_seconds(watched)
            time.sleep(idle_s)
            idle = processes.cpu_seconds(watched) - busy
            with Memory(watched) as memory:
                ended = time.perf_counter()
                lines.ask({"finish": True})
                forwarder.wait(300)
    return {
        "forwarder_catch_up_s": round(caught_up_s, 1),
        "forwarder_cpu_catching_up_s": round(busy, 1),
        "forwarder_idle_cores": round(idle / idle_s, 3),
        "forwarder_close_all_s": round(time.perf_counter() - ended, 1),
        "forwarder_peak_mb": round(memory.peak_mb),
    }


def stored(data: Path) -> dict[tuple[int, int], int]:
    """Points of each (run, rank) in the tables."""
    store = Store(f"chdb://{data}")
    try:
        rows = store.query("SELECT run_id, rank, count() FROM points FINAL GROUP BY run_id, rank")
        return {(int(run), int(rank)): int(count) for run, rank, count in rows}
    finally:
        store.close()


def lost(data: Path, writers: int, live: int, points_each: tuple[int, int, int]) -> int:
    """Points that are not in the tables as often as they should be, over all writers."""
    number = functools.partial(run_id, "local", "bench")
    fan, alive, spool = points_each
    expected = {(number("fan"), rank): fan for rank in range(writers)}
    expected |= {(number(f"live-{index}"), 0): alive for index in range(live)}
    expected |= {(number("spool"), rank): spool for rank in range(writers)}
    found = stored(data)
    return sum(abs(expected.get(place, 0) - found.get(place, 0)) for place in expected.keys() | found.keys())


def main() -> None:
    args = arguments(__doc__ or "")
    writers, live, batches, interval_s, idle_s = (128, 32, 2, 1.0, 1.0) if args.smoke else (4096, 1000, 3, 3.0, 3.0)
    points_each = (batches * ROWS * KEYS, batches * LIVE_ROWS * KEYS, SPOOL_ROWS * KEYS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with processes.ingest(folder / "ours") as (url, service):
            with Memory(service) as memory:
                streams = fan_in(url, writers, live, batches, interval_s)
                cpu = processes.cpu_seconds(service)
            with Memory(service) as memory_of_spools:
                spools = forward(url, folder, writers, idle_s)
        with processes.process("-P", "-m", "benchmarks.bare_engine", str(folder / "bare")) as made:
            engine, lines = psutil.Process(made.pid), Lines(made)
            lines.ask({"writers": 1, "keys": 1, "rows": 1})  # answers when the engine is open
            with Memory(engine) as bare:
                lines.ask({"writers": writers, "keys": KEYS, "rows": batches * ROWS, "lazily": True})
                lines.ask({"writers": live, "keys": KEYS, "rows": batches * LIVE_ROWS, "lazily": True})
                lines.ask({"writers": writers, "keys": KEYS, "rows": SPOOL_ROWS, "lazily": True})
        say(
            "fanin",
            {"P4": "memory_above_engine_mb <= 500, points_lost = 0"},
            {
                "writers_of_one_run": writers,
                "live_streams": live,
                "points_lost": lost(folder / "ours", writers, live, points_each),
                "memory_above_engine_mb": round(max(memory.peak_mb, memory_of_spools.peak_mb) - bare.peak_mb),
                "ratio_of_memory_to_engine": round(memory.peak_mb / bare.peak_mb, 2),
                "ingest_peak_mb": round(memory.peak_mb),
                "ingest_peak_with_spools_mb": round(memory_of_spools.peak_mb),
                "ingest_start_mb": round(memory.before_mb),
                "engine_peak_mb": round(bare.peak_mb),
                "ingest_cpu_s": round(cpu, 1),
                **streams,
                **spools,
            },
        )


if __name__ == "__main__":
    main()
