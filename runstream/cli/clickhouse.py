"""``runstream clickhouse``: one chDB engine behind ClickHouse's HTTP interface, for several processes."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

from runstream.errors import SetupError

EXAMPLE = "runstream clickhouse --data /srv/runstream/clickhouse"
_MAX_BODY_BYTES = 1 << 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.description = (
        "Puts ClickHouse's HTTP interface on one chDB engine, so that several service processes of one machine share "
        "it. It is no ClickHouse server: one machine, one user, no replication, no native protocol."
    )
    parser.add_argument("--data", type=Path, default=Path("runstream-data/clickhouse"), metavar="DIR")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8123, help="port, 0 takes a free one (default: 8123)")
    parser.add_argument("--handles", type=int, default=8, help="most statements at once (default: 8)")


def run(args: argparse.Namespace) -> int:
    """Serves until SIGTERM. The password comes from RUNSTREAM_CLICKHOUSE_PASSWORD."""
    from runstream.service.host import is_loopback

    password = os.environ.get("RUNSTREAM_CLICKHOUSE_PASSWORD", "")
    if not password and not is_loopback(args.host):
        raise SetupError(
            f"--host {args.host} is no loopback address and there is no password",
            next_step="set RUNSTREAM_CLICKHOUSE_PASSWORD",
        )
    asyncio.run(_serve(args, password))
    return 0


async def _serve(args: argparse.Namespace, password: str) -> None:
    from aiohttp import web

    from runstream.store.ch_http.engine import Engine
    from runstream.store.ch_http.server import HttpInterface
    from runstream.store.data_dir import DataDir

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    data_dir = DataDir.claim(args.data.absolute(), holder=f"`runstream clickhouse` at http://{args.host}:{args.port}")
    engine = Engine(data_dir.path, args.handles)
    interface = HttpInterface(engine, password, args.handles)
    runner = web.AppRunner(interface.application(_MAX_BODY_BYTES), access_log=None, shutdown_timeout=10)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, args.host, args.port).start()
        except OSError as error:
            raise SetupError(
                f"cannot listen on {args.host}:{args.port}: {error.strerror}",
                next_step="stop what uses it, or choose another with --port",
            ) from error
        print(f"runstream clickhouse ready: http://{args.host}:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()  # running requests end, new ones are refused
        interface.close()
        engine.close()
        data_dir.release()
