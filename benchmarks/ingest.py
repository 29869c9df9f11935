"""P3: spool to ClickHouse commit, against the bare engine's insert rate of the same rows into the same table.

Both run against an ``ingest``-less and an ``ingest``-ful chDB of their own process each, in turn, round by round.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.report import arguments, say, spread
from runstream._run import open_run
from runstream.forward.chain import Forwarder
from runstream.forward.settings import ForwardSettings
from runstream.identity import Identity
from runstream.settings import Settings

KEYS = ("train/loss", "train/accuracy", "train/gradient_norm", "train/lr", "train/tokens_per_second")
# The bare engine, in a process of its own: ready-made sorted Arrow blocks, one token each, nothing else.
BARE = """
import json, sys, time
import numpy as np
from runstream.store.client import Store
from runstream.store.migrate import migrate
from runstream.store.points import Place, PointBlock, points_table
folder, rounds, rows, keys = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), tuple(json.loads(sys.argv[4]))
store = Store(f"chdb://{folder}")
migrate(store)
per_insert = 100_000 // len(keys)
values = np.random.default_rng(0).normal(size=(len(keys), rows)).astype(np.float32).astype(np.float64).cumsum(axis=1)
for number in range(rounds):
    tables = []
    for start in range(0, rows, per_insert):
        steps = np.arange(start, min(start + per_insert, rows))
        block = PointBlock(Place(1, number, 0, 0), keys, steps, steps + 1_700_000_000_000, steps.astype(np.uint64),
                           np.ascontiguousarray(values[:, start:start + per_insert]))
        tables.append(points_table([block]))
    sys.stdin.readline()
    began = time.perf_counter()
    for index, table in enumerate(tables):
        store.insert_arrow("points", table, token=f"{number}-{index}")
    print(time.perf_counter() - began, flush=True)
store.close()
"""


def spool(folder: Path, number: int, rows: int) -> Path:
    """A run that was logged offline; returns its directory."""
    settings = Settings(project="bench", mode="offline", dir=str(folder), quiet=True)
    run = open_run(settings, Identity(0, 1, 0), f"run-{number}", None)
    values = np.random.default_rng(number).normal(size=(rows, len(KEYS))).astype(np.float32).cumsum(axis=0)
    for step, row in enumerate(values.tolist()):
        run.log(dict(zip(KEYS, row, strict=True)), step=step)
    run.finish(quiet=True)
    return Path(run.dir).parent


def send(run_dir: Path, base_url: str) -> tuple[float, int]:
    """Seconds from the forwarder's start to the closed account, and points stored."""
    forwarder = Forwarder(ForwardSettings(run_dir=run_dir, base_url=base_url))
    started = time.perf_counter()
    asyncio.run(forwarder.run())
    (receipt,) = forwarder.receipts.values()
    assert (receipt["sent"], receipt["gaps"]) == (receipt["stored"], 0), receipt
    return time.perf_counter() - started, int(receipt["stored"])


def main() -> None:
    args = arguments(__doc__ or "")
    rounds, rows = (2, 20_000) if args.smoke else (6, 100_000)
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    ours, bare = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        service = subprocess.Popen(
            [sys.executable, "-P", "-m", "ingest", "--clickhouse", f"chdb://{folder / 'ours'}", "--port", "0",
             "--grpc-port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ,
        )  # fmt: skip
        engine = subprocess.Popen(
            [sys.executable, "-c", BARE, str(folder / "bare"), str(rounds + 1), str(rows), json.dumps(KEYS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ,
        )  # fmt: skip
        assert service.stdout
        assert engine.stdin
        assert engine.stdout
        base_url = service.stdout.readline().split()[3]
        points = rows * len(KEYS)
        for number in range(rounds + 1):  # the first round warms both up
            run_dir = spool(folder, number, rows)
            seconds, stored = send(run_dir, base_url)
            assert stored == points
            engine.stdin.write("go\n")
            engine.stdin.flush()
            bare_seconds = float(engine.stdout.readline())
            if number:
                ours.append(points / seconds / 1e6)
                bare.append(points / bare_seconds / 1e6)
        for process in (service, engine):
            process.stdin and process.stdin.close()
            process.terminate()
            process.wait()
            process.stdout and process.stdout.close()
    say(
        "ingest",
        {"P3": "ratio_to_bare_engine >= 0.4 for now, 0.7 to come"},
        {
            "ratio_to_bare_engine": spread([a / b for a, b in zip(ours, bare, strict=True)]),
            "million_points_per_s": spread(ours),
            "bare_engine_million_points_per_s": spread(bare),
            "points_per_round": points,
        },
    )


if __name__ == "__main__":
    main()
