"""``runstream login``: keep an API key for a server, readable by this user alone."""

from __future__ import annotations

import argparse
import getpass

from runstream import settings as settings_module
from runstream.errors import InvalidField

EXAMPLE = "runstream login --server https://runstream.example.com"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("key", nargs="?", help="the key (asked for without echo when left out)")
    parser.add_argument("--server", metavar="URL", help="the server's HTTP address (default: RUNSTREAM_BASE_URL)")


def run(args: argparse.Namespace) -> int:
    """Keeps the key."""
    base_url = settings_module.load({"base_url": args.server}).base_url
    key = args.key or getpass.getpass(f"API key for {base_url}: ")
    if not key.startswith("rs-"):
        raise InvalidField("key", "must begin with rs-", next_step="make one with `runstream key create`")
    print(f"kept for {base_url} in {settings_module.store_key(base_url, key)}")
    return 0
