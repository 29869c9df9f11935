"""P1, P2: what one ``log()`` costs the training process, against a bare write() of as many bytes."""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import runstream
from benchmarks.report import arguments, quantile, say, spread

ROW = {"train/loss": 0.123, "train/accuracy": 0.97, "train/lr": 3e-4}
WIDE = {f"layer.{index}/norm": index * 0.5 for index in range(100_000)}


def timed(call: Callable[[int], Any], count: int) -> list[float]:
    """Sorted durations of single calls, microseconds."""
    clock = time.perf_counter_ns
    durations = []
    for index in range(count):
        start = clock()
        call(index)
        durations.append((clock() - start) / 1000)
    return sorted(durations)


def measure(folder: str, calls: int, wide_calls: int) -> dict[str, float]:
    run = runstream.init(project="bench", mode="offline", dir=folder, settings={"quiet": True})
    timed(lambda step: run.log(ROW, step=step), 2000)
    ours = timed(lambda step: run.log(ROW, step=step), calls)
    run.log(WIDE, step=0)
    wide = timed(lambda step: run.log(WIDE, step=step), wide_calls)
    run.finish(quiet=True)
    fd = os.open(Path(folder) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    row = bytes(8 + 24 + 8 * len(ROW))
    bare = timed(lambda step: os.write(fd, row), calls)
    os.close(fd)
    return {
        "p50_us": quantile(ours, 0.5),
        "p99_us": quantile(ours, 0.99),
        "wide_ms": quantile(wide, 0.5) / 1000,
        "bare_write_p50_us": quantile(bare, 0.5),
    }


def peers(folder: str, calls: int) -> dict[str, float]:
    """p50 of the peers that are installed, microseconds."""
    found: dict[str, float] = {}
    if importlib.util.find_spec("tensorboardX"):
        from tensorboardX import SummaryWriter

        with SummaryWriter(folder) as writer:

            def add(step: int) -> None:
                for key, value in ROW.items():
                    writer.add_scalar(key, value, step)

            found["tensorboardX"] = quantile(timed(add, calls), 0.5)
    if importlib.util.find_spec("wandb"):
        import wandb

        peer = wandb.init(project="bench", mode="offline", dir=folder, settings=wandb.Settings(silent=True))
        found["wandb_offline"] = quantile(timed(lambda step: peer.log(ROW, step=step), calls), 0.5)
        peer.finish()
    return {name: round(value, 1) for name, value in found.items()}


def main() -> None:
    args = arguments(__doc__ or "")
    repeats, calls, wide_calls = (2, 2000, 3) if args.smoke else (7, 20_000, 20)
    rounds: list[Mapping[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            rounds.append(measure(folder, calls, wide_calls))
        figures: dict[str, object] = {name: spread([each[name] for each in rounds]) for name in rounds[0]}
        figures["ratio_to_bare_write"] = spread([each["p50_us"] / each["bare_write_p50_us"] for each in rounds])
        if args.peers:
            figures["peers_p50_us"] = peers(folder, 2000)
    say("log_call", {"P1": "p50 <= 3 us, p99 <= 25 us", "P2": "wide_ms <= 8 (100,000 scalars)"}, figures)


if __name__ == "__main__":
    main()
