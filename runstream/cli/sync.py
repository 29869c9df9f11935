"""``runstream sync``: the forwarder run by hand, for offline runs and for what a dead one left behind."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runstream import settings as settings_module
from runstream._run import SPOOL_FOLDER
from runstream.endpoints import find_endpoints
from runstream.errors import InvalidField
from runstream.forward.chain import Forwarder, only_forwarder
from runstream.forward.settings import ForwardSettings
from runstream.spool.ledger import RECEIPT_FILE

EXAMPLE = "runstream sync runstream-runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument(
        "directories",
        nargs="*",
        type=Path,
        metavar="DIR",
        help=f"run directories, or folders that hold some (default: ./{SPOOL_FOLDER})",
    )
    parser.add_argument("--follow", action="store_true", help="go on while writers are alive")
    parser.add_argument("--server", metavar="URL", help="the server's HTTP address (default: RUNSTREAM_BASE_URL)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a writer")


def run(args: argparse.Namespace) -> int:
    """Sends every open spool; 1 if one could not be sent whole."""
    given: list[Path] = args.directories or [Path(SPOOL_FOLDER)]
    for directory in given:
        if not directory.is_dir():
            raise InvalidField(
                "DIR", f"{directory} is no directory", next_step="name the folder a run's message told you"
            )
    settings = settings_module.load({"base_url": args.server})
    find_endpoints(settings.base_url)  # one clear error now rather than one a run
    left = 0
    for run_dir in sorted({found for directory in given for found in _run_dirs(directory)}):
        left += _sync_run(run_dir, settings, follow=args.follow, as_json=args.json)
    return 1 if left else 0


def _sync_run(run_dir: Path, settings: settings_module.Settings, *, follow: bool, as_json: bool) -> int:
    """Forwards one run's directory and returns how many writers are left open."""
    with only_forwarder(run_dir) as is_only:
        if not is_only:
            print(f"runstream: {run_dir} is being sent by another forwarder", file=sys.stderr)
            return 0
        forwarder = Forwarder(
            ForwardSettings(
                run_dir=run_dir,
                base_url=settings.base_url,
                api_key=settings.api_key,
                give_up_after_s=settings.give_up_after_s if follow else 30.0,
            ),
            leave_living=not follow,
        )
        asyncio.run(forwarder.run())
    for name, receipt in forwarder.receipts.items():
        _print(run_dir, name, receipt, as_json=as_json)
    for name, why in forwarder.gave_up.items():
        print(f"runstream: {run_dir / name} was not sent: {why}", file=sys.stderr)
    return len(forwarder.gave_up)


def _print(run_dir: Path, writer: str, receipt: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"run": f"{run_dir.parent.name}/{run_dir.name}", "writer": writer, **receipt}))
        return
    account = ", ".join(f"{name} {receipt[name]:,}" for name in ("sent", "stored", "refused", "gaps"))
    print(f"{run_dir.parent.name}/{run_dir.name} {writer}: {account}")


def _run_dirs(directory: Path) -> Iterator[Path]:
    """Run directories with an open account, at or below a directory."""
    for identity in directory.rglob("writer.json"):
        run_dir = identity.parent.parent
        if not (identity.parent / RECEIPT_FILE).exists():
            yield run_dir.absolute()
