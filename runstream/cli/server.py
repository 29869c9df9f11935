"""``runstream server``: ingest, query and artifacts in one process, ClickHouse and S3 included."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

EXAMPLE = "runstream server --data /srv/runstream"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    from runstream.service.settings import add_host_arguments

    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("RUNSTREAM_DATA", "runstream-data")),
        metavar="DIR",
        help="where ClickHouse and S3 keep their files (default: ./runstream-data)",
    )
    parser.add_argument(
        "--clickhouse",
        metavar="URL",
        default=os.environ.get("RUNSTREAM_CLICKHOUSE"),
        help="a ClickHouse server, http(s)://[user:password@]host:port (default: chDB in this process)",
    )
    parser.add_argument(
        "--s3",
        metavar="URL",
        default=os.environ.get("RUNSTREAM_S3"),
        help="an S3 bucket, s3://[ACCESS:SECRET@]bucket?endpoint=URL (default: SeaweedFS beside this process)",
    )
    add_host_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl-C."""
    from runstream.service import log
    from runstream.service.host import Addresses

    log.configure("server")

    def say_ready(addresses: Addresses) -> None:
        print(f"runstream server ready: {addresses.http_url} grpc {addresses.grpc}", flush=True)
        if sys.stdout.isatty():
            print(f"dashboard: {addresses.http_url}   stop: Ctrl-C", flush=True)

    asyncio.run(_serve(args, say_ready))
    return 0


async def _serve(args: argparse.Namespace, say_ready: object) -> None:
    # Engines are heavy; `runstream --help` should not wait for them.
    import artifact_svc.server
    import ingest.server
    import query.server
    from ingest.settings import Settings as IngestSettings
    from query.settings import Settings as QuerySettings
    from runstream.service.auth import Authenticator, StoreKeys
    from runstream.service.host import check, is_loopback, serve
    from runstream.service.settings import host_settings
    from runstream.store.client import Store
    from runstream.store.migrate import migrate
    from runstream.store.s3 import S3
    from runstream.store.seaweed import Seaweed

    settings = host_settings(args)
    check(settings)
    seaweed: Seaweed | None = None
    store = Store(args.clickhouse or f"chdb://{args.data / 'clickhouse'}")
    try:
        migrate(store)
        if not args.s3:
            seaweed = Seaweed(args.data.absolute() / "s3")
        services = [
            ingest.server.build(store, IngestSettings()),
            query.server.build(store, QuerySettings()),
            artifact_svc.server.build(S3(args.s3 or seaweed.url), store),  # type: ignore[union-attr]
        ]
        authenticator = Authenticator(StoreKeys(store), allows_keyless=is_loopback(args.host))
        await serve(services, settings, authenticator, on_ready=say_ready)  # type: ignore[arg-type]
    finally:
        store.close()
        if seaweed is not None:
            seaweed.stop()
