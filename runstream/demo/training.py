"""Trains the demo's model in one process, alone or as a rank of several, logging every step.

Counts by itself what it hands to ``log()``; the demo compares that with the receipt.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

import runstream
from runstream.demo.digits import Network, load

BATCH = 64
EVALUATE_EVERY = 25


@dataclass(frozen=True)
class Job:
    """One process of one run."""

    base_url: str
    folder: str
    project: str
    run_id: str
    name: str
    lr: float
    steps: int
    rank: int = 0
    world_size: int = 1
    gradients: str = ""
    """Name of the shared memory that ranks exchange gradients in; empty for a single process."""


@dataclass(frozen=True)
class Result:
    """What a process counted, and its receipt."""

    run_id: str
    name: str
    rank: int
    counted: int
    receipt: runstream.Receipt | None


def train(job: Job, barrier: Any, results: Any) -> None:
    """Trains and puts a Result into ``results``."""
    os.environ["RUNSTREAM_BASE_URL"] = job.base_url
    data, network = load(), Network(seed=1)
    batches = np.random.default_rng(job.rank)
    shared = _Gradients(job, len(network.flat), barrier) if job.gradients else None
    counted = 0
    run = runstream.init(
        project=job.project,
        id=job.run_id,
        name=job.name,
        dir=job.folder,
        config={"lr": job.lr, "batch_size": BATCH, "hidden": 64, "momentum": 0.9, "ranks": job.world_size},
        tags=["demo"],
        rank=job.rank,
        world_size=job.world_size,
        attempt=0,
        settings={"quiet": True},
    )
    with run:
        for step in range(job.steps):
            chosen = batches.integers(0, len(data.train_x), BATCH)
            loss, accuracy, gradient = network.gradient(data.train_x[chosen], data.train_y[chosen])
            if shared is not None:
                gradient = shared.mean(gradient)
            network.step(gradient, job.lr)
            row = {
                "train/loss": loss,
                "train/accuracy": accuracy,
                "train/gradient_norm": float(np.linalg.norm(gradient)),
            }
            run.log(row, step=step)
            counted += len(row)
            if step % EVALUATE_EVERY == 0 or step == job.steps - 1:
                loss, accuracy, _ = network.gradient(data.val_x, data.val_y)
                run.log({"val/loss": loss, "val/accuracy": accuracy}, step=step)
                counted += 2
    if shared is not None:
        shared.close()
    results.put(Result(job.run_id, job.name, job.rank, counted, run.receipt))


class _Gradients:
    """Averages gradients over ranks through shared memory: synchronous data parallel training."""

    def __init__(self, job: Job, size: int, barrier: Any) -> None:
        self._memory = SharedMemory(job.gradients)
        self._all = np.ndarray((job.world_size, size), np.float64, self._memory.buf)
        self._own = self._all[job.rank]
        self._barrier = barrier

    def mean(self, gradient: Any) -> Any:
        self._own[:] = gradient
        self._barrier.wait()
        mean = self._all.mean(axis=0)
        self._barrier.wait()  # nobody writes the next one before all have read this one
        return mean

    def close(self) -> None:
        del self._all, self._own
        self._memory.close()
