"""``runstream login``: keep an API key for a server, checked with it, readable by this user alone."""

from __future__ import annotations

import argparse
import getpass

from runstream import settings as settings_module
from runstream._login import login

EXAMPLE = "runstream login --server https://runstream.example.com"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("key", nargs="?", help="the key (asked for without echo when left out)")
    parser.add_argument("--server", metavar="URL", help="the server's HTTP address (default: RUNSTREAM_BASE_URL)")


def run(args: argparse.Namespace) -> int:
    """Checks the key with the server, if that answers, and keeps it."""
    settings = settings_module.load({"base_url": args.server})
    key = args.key or getpass.getpass(f"API key for {settings.base_url}: ").strip()
    login(settings, key, relogin=False, force=False, checks=True, timeout_s=settings.init_timeout_s)
    print(f"kept for {settings.base_url} in {settings_module.credentials_file()}")
    return 0
