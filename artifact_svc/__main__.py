"""``python -m artifact_svc --clickhouse URL --s3 URL``: the artifact service by itself.

ClickHouse is asked for API keys only.
"""

from __future__ import annotations

import os
import sys

from artifact_svc.server import build
from runstream.service import log
from runstream.service.auth import Authenticator, StoreKeys
from runstream.service.host import Addresses, is_loopback, serve
from runstream.service.settings import host_settings, run_service, service_parser
from runstream.store.client import Store
from runstream.store.migrate import migrate
from runstream.store.s3 import S3


def main() -> int:
    """Serves until SIGTERM; returns the exit code."""
    parser = service_parser("artifact_svc", "Versions data sets and models on S3.")
    url = os.environ.get("RUNSTREAM_S3")
    parser.add_argument("--s3", metavar="URL", default=url, required=not url, help="S3 bucket (RUNSTREAM_S3)")
    args = parser.parse_args()
    log.configure("artifact_svc")

    async def run() -> None:
        store = Store(args.clickhouse)
        try:
            migrate(store)
            authenticator = Authenticator(StoreKeys(store), allows_keyless=is_loopback(args.host))
            await serve([build(S3(args.s3))], host_settings(args), authenticator, on_ready=_say_ready)
        finally:
            store.close()

    return run_service(run)


def _say_ready(addresses: Addresses) -> None:
    print(f"runstream artifact_svc ready: {addresses.http_url} grpc {addresses.grpc}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
