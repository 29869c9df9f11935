"""An outage: trainers log an hour's worth while the server is away; what it costs them, how fast the rest catches up.

Trainers log online, rows of 50 scalars at a pace, first with the server up, then with it down: ``log()`` must cost the
same. An hour's worth is 3,600 rows of each, a row a second; the pace is as fast as fits the benchmark's time. Then the
server comes back at the same address: seconds until forwarders are back, until all is stored and receipts are
complete, and the rate of catching up against the bare engine's insert rate of the same rows.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import runstream
from benchmarks import processes
from benchmarks.processes import Lines
from benchmarks.report import arguments, quantile, say

KEYS = 50
ROW = {f"train/{index}": index * 0.5 for index in range(KEYS)}


def train(base_url: str, folder: str, run: str, rank: int, trainers: int) -> None:
    """A trainer: for each line of stdin logs so many rows in so many seconds and says how long the calls took."""
    settings = {"quiet": True, "base_url": base_url, "finish_timeout_s": 120.0, "unreachable_timeout_s": 120.0}
    where = {"project": "bench", "id": run, "dir": folder, "rank": rank, "world_size": trainers, "attempt": 0}
    made = runstream.init(**where, settings=settings)
    clock, step = time.perf_counter_ns, 0
    for line in sys.stdin:
        order = json.loads(line)
        if "rows" not in order:
            made.finish()
            print(json.dumps({"receipt": vars(made.receipt)}), flush=True)
            return
        took = []
        began = time.perf_counter()
        for number in range(order["rows"]):
            start = clock()
            made.log(ROW, step=step)
            took.append((clock() - start) / 1000)
            step += 1
            if number % 10 == 0:  # sleeping after each row would measure the scheduler
                time.sleep(max(0.0, began + order["seconds"] * number / order["rows"] - time.perf_counter()))
        took.sort()
        print(json.dumps({"p50_us": quantile(took, 0.5), "p99_us": quantile(took, 0.99)}), flush=True)


def log(trainers: list[Lines], rows: int, seconds: float) -> dict[str, float]:
    """All trainers log; medians over them."""
    for trainer in trainers:
        trainer.tell({"rows": rows, "seconds": seconds})
    answers = [trainer.hear() for trainer in trainers]
    return {name: round(quantile(sorted(answer[name] for answer in answers), 0.5), 2) for name in ("p50_us", "p99_us")}


def finish(trainers: list[Lines]) -> list[dict[str, Any]]:
    """All finish at once; their receipts."""
    for trainer in trainers:
        trainer.tell({})
    return [trainer.hear()["receipt"] for trainer in trainers]


def catch_up(url: str, points: int) -> tuple[float, float]:
    """When the first points were stored and when all of them."""
    first_at, stored = 0.0, 0.0
    while stored < points:
        stored = processes.metric(url, "runstream_ingest_points_stored_total")
        if stored and not first_at:
            first_at = time.perf_counter()
        time.sleep(0.02)
    return first_at, time.perf_counter()


def bare_seconds(data: Path, trainers: int, rows: int) -> float:
    """What the bare engine takes for the same rows, the second time, when it is warm."""
    with processes.process("-P", "-m", "benchmarks.bare_engine", str(data)) as engine:
        lines = Lines(engine)
        shape = {"writers": trainers, "keys": KEYS, "rows": rows}
        return min(float(lines.ask(shape)) for _ in range(2))


def main() -> None:
    if len(sys.argv) > 3:
        base_url, folder, run, rank, of = sys.argv[1:]
        train(base_url, folder, run, int(rank), int(of))
        return
    args = arguments(__doc__ or "")
    trainers, rows, seconds = (2, 600, 2.0) if args.smoke else (16, 3600, 12.0)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        with processes.server(Path(name) / "data") as (url, _):
            port = int(url.rsplit(":", 1)[1])
            clients = [
                Lines(stack.enter_context(
                    processes.process("-P", "-m", "benchmarks.outage", url, name, "outage", str(rank), str(trainers))
                ))
                for rank in range(trainers)
            ]  # fmt: skip
            log(clients, rows // 4, seconds / 4)  # warms up
            up = log(clients, rows, seconds)
        down = log(clients, rows, seconds)
        began = time.perf_counter()
        with processes.server(Path(name) / "data", port) as (url, _):
            ready_at = time.perf_counter()
            first_at, stored_at = catch_up(url, trainers * rows * KEYS)
            receipts = finish(clients)
            receipts_at = time.perf_counter()
        bare_s = bare_seconds(Path(name) / "bare", trainers, rows)
    points = trainers * rows * KEYS
    say(
        "outage",
        {"P3": "ratio_to_bare_engine >= 0.42 (0.6 x 0.7)", "I4": "ratio_of_log_p50 ~ 1"},
        {
            "trainers": trainers,
            "rows_each_during_outage": rows,
            "points_during_outage": points,
            "log_up": up,
            "log_down": down,
            "ratio_of_log_p50": round(down["p50_us"] / up["p50_us"], 2),
            "ratio_of_log_p99": round(down["p99_us"] / up["p99_us"], 2),
            "server_ready_s": round(ready_at - began, 2),
            "forwarder_back_s": round(first_at - ready_at, 2),
            "receipts_complete_s": round(receipts_at - ready_at, 2),
            "receipts_complete": sum(receipt["complete"] for receipt in receipts),
            "points_lost": sum(receipt["sent"] - receipt["stored"] for receipt in receipts),
            "catch_up_points_per_s": round(points / (stored_at - first_at)),
            "bare_engine_points_per_s": round(points / bare_s),
            "ratio_to_bare_engine": round(bare_s / (stored_at - first_at), 3),
        },
    )


if __name__ == "__main__":
    main()
