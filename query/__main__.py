"""``python -m query --clickhouse URL``: the query service by itself."""

from __future__ import annotations

import sys

from query.server import build
from query.settings import Settings
from runstream.service import alone


def main() -> int:
    """Serves until SIGTERM; returns the exit code."""
    args = alone.parser("query", "Answers people, notebooks and the dashboard.").parse_args()
    return alone.run("query", args, lambda store: build(store, Settings()))


if __name__ == "__main__":
    sys.exit(main())
