"""One service by itself in a process: its command line, its store, its host."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable

from runstream.errors import RunstreamError
from runstream.service import log
from runstream.service.auth import Authenticator, StoreKeys
from runstream.service.host import Addresses, check, is_loopback, serve
from runstream.service.service import Service
from runstream.service.settings import add_host_arguments, host_settings
from runstream.store.client import Store
from runstream.store.migrate import migrate


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """The command line of a service: hosting, and the address of ClickHouse."""
    made = argparse.ArgumentParser(prog=f"python -m {name}", description=description)
    add_host_arguments(made)
    add_url(made, "--clickhouse", "http(s)://[user:password@]host:port of a ClickHouse server, or chdb://PATH")
    return made


def add_url(to: argparse.ArgumentParser, option: str, text: str) -> None:
    """Declares the address of something a service needs; also RUNSTREAM_<NAME> in the environment."""
    variable = f"RUNSTREAM_{option.strip('-').upper()}"
    given = os.environ.get(variable)
    to.add_argument(option, metavar="URL", default=given, required=not given, help=f"{text} ({variable})")


def run(name: str, args: argparse.Namespace, build: Callable[[Store], Service]) -> int:
    """Serves until SIGTERM and returns the exit code; expected errors become one line on stderr."""
    log.configure(name)
    try:
        asyncio.run(_serve(name, args, build))
    except RunstreamError as error:
        print(f"runstream: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(name: str, args: argparse.Namespace, build: Callable[[Store], Service]) -> None:
    def say_ready(addresses: Addresses) -> None:
        print(f"runstream {name} ready: {addresses.http_url} grpc {addresses.grpc}", flush=True)

    settings = host_settings(args)
    check(settings)
    store = Store(args.clickhouse)
    try:
        migrate(store)
        authenticator = Authenticator(StoreKeys(store), allows_keyless=is_loopback(args.host))
        await serve([build(store)], settings, authenticator, on_ready=say_ready)
    finally:
        store.close()
