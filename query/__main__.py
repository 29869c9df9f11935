"""``python -m query --clickhouse URL``: the query service by itself."""

from __future__ import annotations

import sys

from query.server import build
from query.settings import Settings
from runstream.service import log
from runstream.service.auth import Authenticator, StoreKeys
from runstream.service.host import Addresses, is_loopback, serve
from runstream.service.settings import host_settings, run_service, service_parser
from runstream.store.client import Store
from runstream.store.migrate import migrate


def main() -> int:
    """Serves until SIGTERM; returns the exit code."""
    args = service_parser("query", "Answers people, notebooks and the dashboard.").parse_args()
    log.configure("query")

    async def run() -> None:
        store = Store(args.clickhouse)
        try:
            migrate(store)
            authenticator = Authenticator(StoreKeys(store), allows_keyless=is_loopback(args.host))
            await serve([build(store, Settings())], host_settings(args), authenticator, on_ready=_say_ready)
        finally:
            store.close()

    return run_service(run)


def _say_ready(addresses: Addresses) -> None:
    print(f"runstream query ready: {addresses.http_url} grpc {addresses.grpc}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
