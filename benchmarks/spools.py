"""Many living writers of one run in a process of their own: what a node of ranks is to its forwarder.

``python -m benchmarks.spools DIR``: a line of stdin with writers, rows and keys makes them and is answered with the
run's directory; ``finish`` ends them all, as ``Run.finish()`` would.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

from runstream.spool.writer import SpoolWriter


def open_writer(folder: Path, run: str, rank: int, world_size: int) -> SpoolWriter:
    """A writer as ``Run`` opens one."""
    identity = {
        "entity": "",
        "project": "bench",
        "run": run,
        "attempt": 0,
        "rank": rank,
        "world_size": world_size,
        "writer": f"{run}-{rank}",
        "host": socket.gethostname(),
        "process_id": 1,
        "started_us": time.time_ns() // 1000,
    }
    return SpoolWriter(folder / run / f"r{rank}-a0-{run}", identity)


def make(folder: Path, run: str, writers: int, rows: int, keys: int) -> list[SpoolWriter]:
    """Writers with some rows each; they live until closed."""
    made = [open_writer(folder, run, rank, writers) for rank in range(writers)]
    for writer in made:
        log(writer, range(rows), keys)
    return made


def log(writer: SpoolWriter, steps: range, keys: int) -> None:
    """Appends rows."""
    now_ms = time.time_ns() // 1_000_000
    with writer.lock:
        for step in steps:
            writer.append_row({f"key/{key:06d}": step * 0.5 + key for key in range(keys)}, step, now_ms + step)


def finish(writer: SpoolWriter) -> None:
    """Says the end and lets go of the spool."""
    with writer.lock:
        writer.append_record({"writer": {"state": "RUN_STATE_FINISHED", "exitCode": 0}})
    writer.close()


def main() -> None:
    folder, writers = Path(sys.argv[1]), list[SpoolWriter]()
    for line in sys.stdin:
        order = json.loads(line)
        if order.pop("finish", False):
            for writer in writers:
                finish(writer)
            print("{}", flush=True)
        else:
            writers = make(folder, **order)
            print(json.dumps({"run_dir": str(writers[0].directory.parent)}), flush=True)


if __name__ == "__main__":
    main()
