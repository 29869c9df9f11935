"""The ``runstream`` command. One command group a file; only the chosen one is imported.

Exit codes: 0 done, 1 the work failed, 2 the command line is wrong, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from runstream.errors import RunstreamError

# name: (module, one line of help). A module has `add_arguments(parser)`, `run(args) -> int` and an EXAMPLE.
COMMANDS: dict[str, tuple[str, str]] = {
    "server": ("runstream.cli.server", "run everything on this machine"),
    "demo": ("runstream.cli.demo", "train a small model and watch it on the dashboard"),
    "sync": ("runstream.cli.sync", "send spooled runs to a server"),
    "run": ("runstream.cli.run", "list runs, and show one with its accounts"),
    "import": ("runstream.cli.importing", "bring runs from TensorBoard, wandb, MLflow, Neptune or CSV files"),
    "login": ("runstream.cli.login", "keep an API key for a server"),
    "key": ("runstream.cli.key", "make, list and revoke API keys"),
    "artifact": ("runstream.cli.artifact", "put and get versioned files"),
    "spool": ("runstream.cli.spool", "look into spools and check them"),
    "clickhouse": ("runstream.cli.clickhouse", "share one chDB engine over ClickHouse's HTTP interface"),
}


class _Command(Protocol):
    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


class _Parser(argparse.ArgumentParser):
    """A parser that takes ``-/PROJECT/RUN``, a run of the caller's own entity, for a name."""

    def _parse_optional(self, arg_string: str) -> Any:
        return None if arg_string.startswith("-/") else super()._parse_optional(arg_string)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code; expected errors become one line on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _Parser(
        prog="runstream",
        description="Self-hosted experiment tracking for GPU fleets.",
        epilog="example: runstream demo",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for name, (module_name, help_line) in COMMANDS.items():
        command_parser = commands.add_parser(
            name, help=help_line, description=help_line[0].upper() + help_line[1:] + "."
        )
        if name == chosen:
            command: _Command = importlib.import_module(module_name)
            command_parser.epilog = f"example: {command.EXAMPLE}"
            command.add_arguments(command_parser)
    args = parser.parse_args(arguments)
    try:
        return command.run(args)
    except RunstreamError as error:
        print(f"runstream: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
