"""Real curves: the demo's network on scikit-learn's digits, by optimiser and learning rate, logged as people log.

``python -m benchmarks.curves DIR RUNS STEPS``: trains, logs every step offline, and prints the runs' directories and
the points logged. This network's step takes a third of a millisecond; times are stretched a thousandfold, jitter and
all, to those of a network worth tracking.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import spools
from runstream.demo.digits import Network, load
from runstream.spool.writer import SpoolWriter

BATCH = 64
EVALUATE_EVERY = 25
STRETCH = 1000
_LAYERS = ("hidden.weight", "hidden.bias", "output.weight", "output.bias")
_Array = npt.NDArray[np.float64]
Update = Callable[[_Array, float, int], _Array]


def sgd() -> Update:
    """Plain gradient descent."""
    return lambda gradient, lr, step: -lr * gradient


def momentum() -> Update:
    """Gradient descent with momentum 0.9."""
    velocity = np.zeros(0)

    def update(gradient: _Array, lr: float, step: int) -> _Array:
        nonlocal velocity
        velocity = 0.9 * (velocity if velocity.size else np.zeros_like(gradient)) - lr * gradient
        return velocity

    return update


def adam() -> Update:
    """Adam with its usual constants (Kingma and Ba, 2015, algorithm 1)."""
    mean = square = np.zeros(0)

    def update(gradient: _Array, lr: float, step: int) -> _Array:
        nonlocal mean, square
        if not mean.size:
            mean, square = np.zeros_like(gradient), np.zeros_like(gradient)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        corrected = math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        result: _Array = -lr * corrected * mean / (np.sqrt(square) + 1e-8)
        return result

    return update


OPTIMISERS: dict[str, tuple[Callable[[], Update], tuple[float, ...]]] = {
    "sgd": (sgd, (0.5, 0.1, 0.02)),
    "momentum": (momentum, (0.1, 0.03, 0.01)),
    "adam": (adam, (0.01, 0.003, 0.001)),
}


def combinations() -> Iterator[tuple[int, str, float]]:
    """Seed, optimiser and learning rate, without end; the first few differ in all."""
    seed = 0
    while True:
        for index in range(3):
            for name, (_, rates) in OPTIMISERS.items():
                yield seed, name, rates[index]
        seed += 1


def train(folder: Path, seed: int, optimiser: str, lr: float, steps: int) -> tuple[str, int]:
    """One training; returns its run's directory and the points it logged."""
    data, network = load(seed), Network(seed)
    update, rng = OPTIMISERS[optimiser][0](), np.random.default_rng(seed)
    writer = spools.open_writer(folder, f"{optimiser}-{lr}-{seed}", 0, 1)
    points, started, started_ms = 0, time.perf_counter(), time.time_ns() // 1_000_000
    for step in range(steps):
        began = time.perf_counter()
        chosen = rng.integers(0, len(data.train_x), BATCH)
        loss, accuracy, gradient = network.gradient(data.train_x[chosen], data.train_y[chosen])
        rate = lr * 0.5 * (1 + math.cos(math.pi * step / steps))  # cosine schedule
        network.flat = network.flat + update(gradient, rate, step)
        row: dict[str, float] = {"train/loss": loss, "train/accuracy": accuracy, "train/lr": rate}
        for layer, start, end in zip(_LAYERS, network.edges[:-1], network.edges[1:], strict=True):
            row[f"gradient_norm/{layer}"] = float(np.linalg.norm(gradient[start:end]))
        row["gradient_norm"] = float(np.linalg.norm(gradient))
        row["parameter_norm"] = float(np.linalg.norm(network.flat))
        row["epoch"] = step * BATCH / len(data.train_x)
        took = time.perf_counter() - began
        row["time/step_ms"] = took * 1000
        row["time/samples_per_s"] = BATCH / took
        now_ms = started_ms + int((began + took - started) * 1000 * STRETCH)
        # A framework's scalars are float32; Python widens them when they are logged.
        _log(writer, row, step, now_ms)
        points += len(row)
        if step % EVALUATE_EVERY == 0:
            loss, accuracy, _ = network.gradient(data.val_x, data.val_y)
            _log(writer, {"val/loss": loss, "val/accuracy": accuracy}, step, now_ms)
            points += 2
    spools.finish(writer)
    return str(writer.directory.parent), points


def _log(writer: SpoolWriter, row: dict[str, float], step: int, time_ms: int) -> None:
    with writer.lock:
        writer.append_row({key: float(np.float32(value)) for key, value in row.items()}, step, time_ms)


def main() -> None:
    folder, runs, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    trained = [train(folder, *chosen, steps) for chosen, _ in zip(combinations(), range(runs), strict=False)]
    directories, points = zip(*trained, strict=True)
    print(json.dumps({"run_dirs": directories, "points": sum(points)}))


if __name__ == "__main__":
    main()
