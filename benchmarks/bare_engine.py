"""The bare engine: ready-made sorted Arrow tables into ``points``, nothing else.

A process of its own, as ours is: ``python -m benchmarks.bare_engine DIR``. Each line of stdin is a shape as JSON; the
answer is the seconds that inserting its rows took. A shape that says ``lazily`` has its tables made between the
inserts, so that the process's memory is the engine's.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from runstream.store.client import Store
from runstream.store.migrate import migrate
from runstream.store.points import Place, PointBlock, points_table

POINTS_AN_INSERT = 100_000


def tables(number: int, writers: int, keys: int, rows: int) -> Iterator[pa.Table]:
    """The rows of a shape, at the size of insert at which ClickHouse is fastest."""
    names = tuple(f"key/{index:06d}" for index in range(keys))
    steps_at_once = max(1, POINTS_AN_INSERT // keys // writers)
    for start in range(0, rows, steps_at_once):
        steps = np.arange(start, min(start + steps_at_once, rows))
        values = np.random.default_rng(start).normal(size=(keys, len(steps))).astype(np.float32).astype(np.float64)
        yield points_table(
            [
                PointBlock(Place(1, number, rank, 0), names, steps, steps + 1_700_000_000_000,
                           steps.astype(np.uint64), values)
                for rank in range(writers)
            ]
        )  # fmt: skip


def main() -> None:
    store = Store(f"chdb://{sys.argv[1]}")
    migrate(store)
    for number, line in enumerate(sys.stdin):
        shape = json.loads(line)
        lazily = shape.pop("lazily", False)
        made = tables(number, **shape)
        ready = made if lazily else list(made)
        began = time.perf_counter()
        for table in ready:
            store.insert_arrow("points", table)
        print(time.perf_counter() - began, flush=True)
    store.close()


if __name__ == "__main__":
    main()
