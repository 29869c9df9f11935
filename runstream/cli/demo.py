"""``runstream demo``: starts a server, trains a small model in several processes, proves the account.

4 processes as ranks of one run  +  a few runs with other learning rates
then: counted by the training code = sent = stored = found by a query
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from runstream.child import tied
from runstream.errors import SetupError

if TYPE_CHECKING:
    from runstream.demo.training import Job, Result

EXAMPLE = "runstream demo --exit"
_PROJECT = "digits"
_RANKS = 4
_RATES = (0.003, 0.01, 0.03, 0.1, 0.3)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("--exit", action="store_true", help="end after the check instead of serving on")
    parser.add_argument("--data", type=Path, default=Path("runstream-data"), metavar="DIR", help="the server's data")
    parser.add_argument("--port", type=int, default=8080, help="HTTP port; a free one if it is taken (default: 8080)")
    parser.add_argument("--steps", type=int, default=4000, help="steps of each run (default: 4000)")


def run(args: argparse.Namespace) -> int:
    """Runs the demo; 0 if every account adds up."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # four ranks share the cores; a thread each is plenty
    with _server(args.data, args.port) as (base_url, server):
        print(f"dashboard: {base_url}/p/local/{_PROJECT}", flush=True)
        with tempfile.TemporaryDirectory(prefix="runstream-demo-") as folder:
            results = _train_all(base_url, folder, args.steps)
        is_sound = _report(base_url, results)
        if not args.exit:
            print(f"serving on; look at {base_url}/p/local/{_PROJECT} and stop with Ctrl-C", flush=True)
            server.wait()
    return 0 if is_sound else 1


@contextmanager
def _server(data: Path, port: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of its own process, stopped in the end."""
    command = tied([sys.executable, "-m", "runstream", "server", "--data", str(data)], by=signal.SIGTERM)
    ports = (
        ["--port", str(port), "--grpc-port", str(port + 1)] if _is_free(port) else ["--port", "0", "--grpc-port", "0"]
    )
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            [*command, *ports], stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
        assert server.stdout is not None
        try:
            ready = server.stdout.readline()
            if "ready" not in ready:
                log.seek(0)
                raise SetupError(log.read().strip().removeprefix("runstream: ") or "the server did not start")
            yield ready.split()[3], server
        finally:
            server.terminate()
            server.wait()
            server.stdout.close()


def _is_free(port: int) -> bool:
    import socket

    for each in (port, port + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", each))
            except OSError:
                return False
    return True


def _train_all(base_url: str, folder: str, steps: int) -> list[Result]:
    from runstream.demo.digits import Network
    from runstream.demo.training import Job

    mark = secrets.token_hex(2)
    size = len(Network(0).flat)
    memory = SharedMemory(create=True, size=_RANKS * size * 8)
    results: list[Result] = []
    try:
        ranks = [
            Job(base_url, folder, _PROJECT, f"ranks-{mark}", "4 ranks", 0.05, steps, rank, _RANKS, memory.name)
            for rank in range(_RANKS)
        ]
        print(f"training: 1 run of {_RANKS} ranks, {len(_RATES)} runs with other learning rates", flush=True)
        results += _train(ranks)
        singles = [Job(base_url, folder, _PROJECT, f"lr-{lr}-{mark}", f"lr {lr}", lr, steps) for lr in _RATES]
        for pair in (singles[start : start + 2] for start in range(0, len(singles), 2)):
            results += _train(pair)
    finally:
        memory.close()
        memory.unlink()
    return results


def _train(jobs: Sequence[Job]) -> list[Result]:
    """Trains each job in a process of its own and returns what they say."""
    from runstream.demo.training import train

    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(jobs))
    queue: Any = context.Queue()
    processes = [context.Process(target=train, args=(job, barrier, queue)) for job in jobs]
    for process in processes:
        process.start()
    results: list[Result] = []
    while len(results) < len(processes):
        try:
            results.append(queue.get(timeout=0.5))
        except Empty:
            dead = [process for process in processes if process.exitcode]
            if dead:
                for process in processes:
                    process.terminate()  # ranks that wait for the dead one would wait for ever
                raise SetupError(f"a training process ended with exit code {dead[0].exitcode}") from None
    for process in processes:
        process.join()
    return results


def _report(base_url: str, results: Sequence[Result]) -> bool:
    print(f"\n{'run':<18}{'rank':>5}{'counted':>10}{'sent':>10}{'stored':>10}{'refused':>9}{'found':>10}")
    is_sound = True
    for result in sorted(results, key=lambda each: (each.name, each.rank)):
        receipt = result.receipt
        found = _found(base_url, result)
        is_sound &= (
            receipt is not None and receipt.complete and result.counted == receipt.sent == receipt.stored == found
        )
        sent, stored, refused = (receipt.sent, receipt.stored, receipt.refused) if receipt else (0, 0, 0)
        print(
            f"{result.name:<18}{result.rank:>5}{result.counted:>10,}{sent:>10,}{stored:>10,}{refused:>9,}{found:>10,}"
        )
    print("\nevery point is accounted for" if is_sound else "\nthe accounts do not add up", flush=True)
    return is_sound


def _found(base_url: str, result: Result) -> int:
    """Points of a rank that a query finds."""
    from runstream.v1 import query_pb2

    request = query_pb2.GetHistoryRequest(
        runs=[f"-/{_PROJECT}/{result.run_id}"],
        keys=["train/loss", "train/accuracy", "train/gradient_norm", "val/loss", "val/accuracy"],
        ranks=[result.rank],
        rank_mode=query_pb2.RANK_MODE_EACH,
        max_buckets=100,
    )
    http_request = urllib.request.Request(
        f"{base_url}/runstream.v1.QueryService/GetHistory",
        request.SerializeToString(),
        {"Content-Type": "application/proto"},
    )
    with urllib.request.urlopen(http_request, timeout=60) as response:
        answer = query_pb2.GetHistoryResponse.FromString(response.read())
    return sum(sum(curve.count) for curve in answer.curves)
