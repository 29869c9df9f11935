"""``python -m ingest --clickhouse URL``: the ingest service by itself."""

from __future__ import annotations

import sys

from ingest.server import build
from ingest.settings import Settings
from runstream.service import alone


def main() -> int:
    """Serves until SIGTERM; returns the exit code."""
    args = alone.parser("ingest", "Takes what writers stream and commits it to ClickHouse.").parse_args()
    return alone.run("ingest", args, lambda store: build(store, Settings()))


if __name__ == "__main__":
    sys.exit(main())
