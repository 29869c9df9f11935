"""P3: spool to ClickHouse commit, against the bare engine's rate for the same rows into the same table.

Three shapes: few keys and many rows; 100,000 keys and few rows; 64 writers of one run with small rows each.
Ours and the bare engine have a process and a chDB each and take turns. Ours is timed from the forwarder's start
to the closed account, connecting and the last ack included.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
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

SHAPES = {
    "few_keys": {"writers": 1, "keys": 3, "rows": 1_000_000},
    "many_keys": {"writers": 1, "keys": 100_000, "rows": 20},
    "many_writers": {"writers": 64, "keys": 3, "rows": 10_000},
}
ROOT = Path(__file__).resolve().parents[1]


def spool(folder: Path, name: str, writers: int, keys: int, rows: int) -> Path:
    """A run that was logged offline; returns its directory."""
    settings = Settings(project="bench", mode="offline", dir=str(folder), quiet=True)
    names = [f"key/{index:06d}" for index in range(keys)]
    for rank in range(writers):
        run = open_run(settings, Identity(rank, writers, 0), name, None)
        values = np.random.default_rng(rank).normal(size=(min(rows, 1000), keys)).astype(np.float32).tolist()
        for step in range(rows):
            run.log(dict(zip(names, values[step % 1000], strict=True)), step=step)
        run.finish(quiet=True)
    return Path(run.dir).parent


def copied(run_dir: Path, name: str) -> Path:
    """The same spool as another run's."""
    copy = run_dir.with_name(name)
    shutil.copytree(run_dir, copy)
    for identity in copy.rglob("writer.json"):
        identity.write_text(json.dumps(json.loads(identity.read_text()) | {"run": name}))
    return copy


def send(run_dir: Path, base_url: str) -> tuple[float, int]:
    """Seconds from the forwarder's start to the closed account, and points stored."""
    forwarder = Forwarder(ForwardSettings(run_dir=run_dir, base_url=base_url))
    started = time.perf_counter()
    asyncio.run(forwarder.run())
    seconds = time.perf_counter() - started
    for receipt in forwarder.receipts.values():
        assert (receipt["sent"], receipt["gaps"]) == (receipt["stored"], 0), receipt
    return seconds, sum(int(receipt["stored"]) for receipt in forwarder.receipts.values())


def main() -> None:
    args = arguments(__doc__ or "")
    rounds, part = (1, 20) if args.smoke else (3, 1)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        service = subprocess.Popen(
            [sys.executable, "-P", "-m", "ingest", "--clickhouse", f"chdb://{folder / 'ours'}", "--port", "0",
             "--grpc-port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ,
        )  # fmt: skip
        engine = subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.bare_engine", str(folder / "bare")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ,
        )  # fmt: skip
        assert service.stdout
        assert engine.stdin
        assert engine.stdout
        base_url = service.stdout.readline().split()[3]
        for shape_name, shape in SHAPES.items():
            shape = {**shape, "rows": max(1, shape["rows"] // part)}
            points = shape["writers"] * shape["keys"] * shape["rows"]
            original = spool(folder, shape_name, **shape)
            ours, bare = [], []
            for number in range(rounds + (not args.smoke)):  # the first round warms both up
                run_dir = copied(original, f"{shape_name}-{number}")
                seconds, stored = send(run_dir, base_url)
                assert stored == points
                shutil.rmtree(run_dir)
                engine.stdin.write(json.dumps(shape) + "\n")
                engine.stdin.flush()
                bare_seconds = float(engine.stdout.readline())
                if number or args.smoke:
                    ours.append(points / seconds / 1e6)
                    bare.append(points / bare_seconds / 1e6)
            figures[shape_name] = {
                "ratio_to_bare_engine": spread([a / b for a, b in zip(ours, bare, strict=True)]),
                "million_points_per_s": spread(ours),
                "bare_engine_million_points_per_s": spread(bare),
                "points_per_round": points,
            }
        for process in (service, engine):
            if process.stdin:
                process.stdin.close()
            process.terminate()
            process.wait()
            if process.stdout:
                process.stdout.close()
    say("ingest", {"P3": "ratio_to_bare_engine >= 0.7"}, figures)


if __name__ == "__main__":
    main()
