"""P8: bytes a point of real training curves, all columns, before and after merges.

Curves of ``benchmarks.curves`` take the whole way: spool, forwarder, ingest. Then the engine says what each column
takes on disk. Beside it: 8 bytes a point for the values alone, and the same rows in a table without codecs of its own
(LZ4).
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks import processes
from benchmarks.processes import Lines
from benchmarks.report import arguments, say
from runstream.forward.chain import Forwarder
from runstream.forward.settings import ForwardSettings
from runstream.store.client import Store

# Small parts keep all columns in one file and do not say what each takes, so the merged ones are made wide.
_COLUMNS = """
SELECT column, sum(column_data_compressed_bytes) FROM system.parts_columns
WHERE active AND database = currentDatabase() AND table = {table:String} GROUP BY column ORDER BY 2 DESC
"""
_ON_DISK = """
SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() AND table = {table:String}
"""
_BARE = """
CREATE TABLE bare (project_id UInt64, run_id UInt64, key LowCardinality(String), step Int64, rank UInt32,
attempt UInt32, ts DateTime64(3, 'UTC'), value Float64, ver UInt64)
ENGINE = MergeTree ORDER BY (project_id, run_id, key, step, rank, attempt)
"""


async def forward(run_dirs: list[str], url: str) -> None:
    """Sends runs, one after the other."""
    for run_dir in run_dirs:
        await Forwarder(ForwardSettings(run_dir=Path(run_dir), base_url=url)).run()


def on_disk(store: Store, table: str, points: int) -> float:
    """Bytes a point, marks and indexes included."""
    return round(store.query(_ON_DISK, {"table": table})[0][0] / points, 3)


def columns(store: Store, table: str, points: int) -> dict[str, float]:
    """Bytes a point of each column's data."""
    return {name: round(data / points, 3) for name, data in store.query(_COLUMNS, {"table": table})}


def main() -> None:
    args = arguments(__doc__ or "")
    runs, steps = (3, 2500) if args.smoke else (27, 2500)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with processes.process("-P", "-m", "benchmarks.curves", str(folder), str(runs), str(steps)) as trainer:
            trained = Lines(trainer).hear()
        with processes.ingest(folder / "data") as (url, _):
            asyncio.run(forward(trained["run_dirs"], url))
        points = trained["points"]
        store = Store(f"chdb://{folder / 'data'}")
        assert store.query("SELECT count() FROM points FINAL")[0][0] == points
        before = on_disk(store, "points", points) + on_disk(store, "series", points)
        store.command(_BARE)
        store.command("INSERT INTO bare SELECT * FROM points")
        for table in ("points", "series", "bare"):
            store.command(f"ALTER TABLE {table} MODIFY SETTING min_bytes_for_wide_part = 0")
            store.command(f"OPTIMIZE TABLE {table} FINAL")
        series, bare = on_disk(store, "series", points), on_disk(store, "bare", points)
        total = on_disk(store, "points", points) + series
        of_points, of_bare = columns(store, "points", points), columns(store, "bare", points)
        store.close()
    say(
        "storage",
        {"P8": "bytes_a_point <= 4"},
        {
            "bytes_a_point": round(total, 2),
            "bytes_a_point_before_merges": round(before, 2),
            "ratio_to_bare_lz4": round(total / bare, 3),
            "ratio_to_raw_doubles": round(total / 8, 3),
            "columns_of_points": of_points,
            "series": series,
            "bare_lz4_columns": of_bare,
            "points": points,
            "runs": runs,
            "steps": steps,
        },
    )


if __name__ == "__main__":
    main()
