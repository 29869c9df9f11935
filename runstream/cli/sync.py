"""``runstream sync``: forwarding by hand, for offline runs and for what dead processes left; or for a whole node."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from runstream import settings as settings_module
from runstream._run import SPOOL_FOLDER
from runstream.endpoints import check_base_url, find_endpoints
from runstream.errors import InvalidField
from runstream.forward.chain import Forwarder, Listener, only_forwarder
from runstream.forward.node import NodeForwarder
from runstream.forward.settings import ForwardSettings
from runstream.spool.places import writer_dirs

EXAMPLE = "runstream sync --follow /scratch/runs"
_GIVE_UP_AFTER_S = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.description = (
        "Sends spooled runs to a server and prints a line for each process whose account is closed. With --follow it "
        "goes on until SIGTERM: one such process for a node sends whatever no other forwarder works on, also of "
        "training processes that are started with RUNSTREAM_FORWARDER=node, and waits for a server that is away."
    )
    parser.add_argument(
        "directories",
        nargs="*",
        type=Path,
        metavar="DIR",
        help=f"run directories, or folders above some (default: ./{SPOOL_FOLDER})",
    )
    parser.add_argument("--follow", action="store_true", help="go on for ever, also with runs that are still to come")
    parser.add_argument("--server", metavar="URL", help="the server's HTTP address (default: RUNSTREAM_BASE_URL)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a writer")


def run(args: argparse.Namespace) -> int:
    """Sends every open spool; 1 if one could not be sent whole. With ``--follow`` 0, when told to stop."""
    given: list[Path] = args.directories or [Path(SPOOL_FOLDER)]
    settings = settings_module.load({"base_url": args.server})
    how = ForwardSettings(Path(), settings.base_url, settings.api_key, give_up_after_s=_GIVE_UP_AFTER_S)
    printer = _Printer(as_json=args.json)
    if args.follow:
        check_base_url(
            settings.base_url
        )  # an address that cannot be is an error; one that does not answer is waited for
        asyncio.run(_follow(given, replace(how, give_up_after_s=math.inf), printer))
        return 0
    for directory in given:
        if not directory.is_dir():
            raise InvalidField(
                "DIR", f"{directory} is no directory", next_step="name the folder a run's message told you"
            )
    find_endpoints(settings.base_url)  # one clear error now rather than one a run
    writers = [writer.absolute() for directory in given for writer in writer_dirs(directory, only_open=True)]
    for run_dir in sorted({writer.parent for writer in writers}):
        _sync_run(run_dir, how, printer)
    return 1 if printer.left else 0


def _sync_run(run_dir: Path, how: ForwardSettings, printer: _Printer) -> None:
    with only_forwarder(run_dir) as is_only:
        if not is_only:
            print(f"runstream: {run_dir} is being sent by another forwarder", file=sys.stderr)
            return
        asyncio.run(Forwarder(replace(how, run_dir=run_dir), leave_living=True, listener=printer).run())


async def _follow(folders: list[Path], how: ForwardSettings, printer: _Printer) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for folder in folders:
        later = "" if folder.is_dir() else ", which does not exist yet"
        print(f"runstream: following {folder}{later}", file=sys.stderr, flush=True)
    await NodeForwarder([folder.absolute() for folder in folders], how, printer).run(stop)


class _Printer(Listener):
    """A line on stdout for each closed account, one on stderr for each writer that is left and each trouble."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._trouble = ""
        self.left = 0

    def closed(self, directory: Path, receipt: dict[str, Any], /) -> None:
        run = f"{directory.parent.parent.name}/{directory.parent.name}"
        account = ", ".join(f"{name} {receipt[name]:,}" for name in ("sent", "stored", "refused", "gaps"))
        as_json = json.dumps({"run": run, "writer": directory.name, **receipt})
        print(as_json if self._as_json else f"{run} {directory.name}: {account}", flush=True)

    def gave_up(self, directory: Path, why: str, /) -> None:
        self.left += 1
        print(f"runstream: {directory} was not sent: {why}", file=sys.stderr, flush=True)

    def state(self, directory: Path, state: str, message: str, /) -> None:
        is_waiting = state in ("unreachable", "waiting")
        if is_waiting and message != self._trouble:
            print(f"runstream: not sending yet: {message}", file=sys.stderr, flush=True)
        self._trouble = message if is_waiting else ""
