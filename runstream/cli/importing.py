"""``runstream import``: bring the runs of another tracker, and show that all of their points arrived."""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runstream import settings as settings_module
from runstream.endpoints import find_endpoints
from runstream.errors import InvalidField
from runstream.importers.imported import ImportedRun, Reader
from runstream.importers.sending import Account, as_json, send

EXAMPLE = "runstream import tensorboard logs/ --project digits"

# source: (module, what a PATH is). A module has `read_runs(path) -> Iterable[ImportedRun]`.
_SOURCES: dict[str, tuple[str, str]] = {
    "tensorboard": ("runstream.importers.tensorboard", "log folders, or event files"),
    "wandb": ("runstream.importers.wandb", "wandb folders, those of runs, or .wandb files"),
    "mlflow": ("runstream.importers.mlflow", "mlruns folders, those of an experiment or a run, or SQLite stores"),
    "neptune": ("runstream.importers.neptune", "folders of parquet files that neptune-exporter wrote, or such files"),
    "csv": ("runstream.importers.csv_files", "CSV files, or folders of some"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.description = (
        "Reads runs that another tracker wrote, stores them, and compares what was read with what is stored. "
        "Importing again replaces the same points. Exits with 1 if any count differs."
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    common.add_argument("--project", help="project (default: the source's own, else RUNSTREAM_PROJECT)")
    common.add_argument("--entity", help="team or user (default: the API key's own)")
    common.add_argument("--server", metavar="URL", help="the server's HTTP address (default: RUNSTREAM_BASE_URL)")
    common.add_argument("--dry-run", action="store_true", help="read and count; send nothing")
    common.add_argument("--json", action="store_true", help="print one JSON object a run")
    sources = parser.add_subparsers(dest="source", metavar="SOURCE", required=True)
    for name, (_, paths) in _SOURCES.items():
        source = sources.add_parser(name, parents=[common], help=paths, description=f"PATH: {paths}.")
        if name == "neptune":
            what = "Neptune's steps are decimals; what makes integers of them (default: 1)"
            source.add_argument("--step-multiplier", type=int, default=1, metavar="N", help=what)


def run(args: argparse.Namespace) -> int:
    """Imports every run of every path; 1 if there is none, or counts differ, or something could not be read."""
    settings = settings_module.load({"base_url": args.server, "entity": args.entity, "project": args.project})
    if not args.dry_run:
        find_endpoints(settings.base_url)  # one clear error now rather than one a run
    reader: Reader = importlib.import_module(_SOURCES[args.source][0]).read_runs
    if args.source == "neptune":
        reader = functools.partial(reader, step_multiplier=args.step_multiplier)
    has_failed = is_any = False
    for found in _runs(reader, args.paths):
        is_any = True
        project = args.project or found.project or settings.project
        if args.dry_run:
            account = Account(found.points, found.distinct)
        else:
            account = send(found, settings, entity=settings.entity, project=project, source=args.source)
        has_failed |= bool(found.problems) or not (args.dry_run or account.agrees)
        shown = _shown(found, project, account, is_dry=args.dry_run)
        print(json.dumps(shown) if args.json else "\n".join(_lines(shown)), flush=True)
    if not is_any:
        print(f"runstream: no {args.source} runs in {', '.join(map(str, args.paths))}", file=sys.stderr)
    return 1 if has_failed or not is_any else 0


def _runs(reader: Reader, paths: list[Path]) -> Iterator[ImportedRun]:
    for path in paths:
        if not path.exists():
            raise InvalidField("PATH", f"{path} does not exist")
        yield from reader(path)


def _shown(run: ImportedRun, project: str, account: Account, *, is_dry: bool) -> dict[str, Any]:
    shown = {"run": f"{project}/{run.id}", "name": run.name, "attempt": run.attempt, "keys": len(run.columns)}
    counts = {"read": account.read, "distinct": account.distinct} if is_dry else as_json(account)
    return {**shown, **counts, "skipped": dict(run.skipped), "problems": list(run.problems)}


def _lines(shown: Mapping[str, Any]) -> Iterator[str]:
    name = f" {shown['name']!r}" if shown["name"] else ""
    counts = ", ".join(f"{shown[each]:,} {each}" for each in ("read", "sent", "stored") if each in shown)
    if shown.get("found") is not None:
        counts += f", {shown['found']:,} found"
    yield f"{shown['run']}{name}: {shown['keys']:,} keys, {counts}"
    repeated = shown["read"] - shown["distinct"]
    if repeated:
        yield f"  {repeated:,} values say a step of their key again; the last one counts, {shown['distinct']:,} remain"
    for kind, count in shown["skipped"].items():
        yield f"  skipped {count:,}: {kind}"
    for problem in (*shown["problems"], *filter(None, [shown.get("trouble", "")])):
        yield f"  {problem}"
    if not shown.get("agrees", True):
        yield "  THE COUNTS DIFFER" + _why(shown)


def _why(shown: Mapping[str, Any]) -> str:
    found = shown["found"]
    if found is not None and found > shown["distinct"] and shown["sent"] == shown["stored"]:
        return ": points of an earlier import, which the source no longer has, are still stored"
    return ""
