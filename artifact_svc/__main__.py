"""``python -m artifact_svc --clickhouse URL --s3 URL``: the artifact service by itself.

ClickHouse is asked for API keys and for the paths of runs' files.
"""

from __future__ import annotations

import sys

from artifact_svc.server import build
from runstream.service import alone
from runstream.store.s3 import S3


def main() -> int:
    """Serves until SIGTERM; returns the exit code."""
    parser = alone.parser("artifact_svc", "Versions data sets and models on S3.")
    alone.add_url(parser, "--s3", "s3://[ACCESS:SECRET@]bucket[?endpoint=URL]")
    args = parser.parse_args()
    return alone.run("artifact_svc", args, lambda store: build(S3(args.s3), store))


if __name__ == "__main__":
    sys.exit(main())
