"""``runstream spool``: look into spools, and check them, as people and scripts can read it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from runstream.errors import InvalidField
from runstream.spool.ledger import Ledger
from runstream.spool.places import WRITER_FILE, writer_dirs
from runstream.spool.reader import Chunk, SpoolReader
from runstream.spool.verify import Verdict, verify

EXAMPLE = "runstream spool verify runstream-runs"
_SUMMED = ("frames", "points", "waiting", "damaged_bytes", "sent", "stored", "refused", "gaps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.description = (
        "show prints one writer's rows and records. verify checks every writer at or below DIR, a line each and a "
        "total, and exits with 1 if bytes are damaged or an account does not add up."
    )
    parser.add_argument("action", choices=["show", "verify"], help="print what is in it, or check it")
    parser.add_argument("directory", type=Path, metavar="DIR", help="show: one with writer.json in it; verify: any")
    parser.add_argument("--json", action="store_true", help="print one JSON object a row or record, or a writer")


def run(args: argparse.Namespace) -> int:
    """Does the action; 1 if something cannot be read or does not add up."""
    if args.action == "verify":
        return _verify_all(args.directory, as_json=args.json)
    if not (args.directory / WRITER_FILE).exists():
        raise InvalidField("DIR", f"{args.directory} holds no writer.json", next_step="name a writer's directory")
    reader = SpoolReader(args.directory)
    points = frames = damaged = lost = 0
    while (chunk := reader.read(is_final=True)) is not None or reader.is_in_doubt:
        if chunk is None:
            continue
        points += chunk.points
        frames += chunk.last_seq_inclusive - chunk.first_seq + 1
        damaged += chunk.damaged_bytes
        lost += chunk.lost_seqs + sum(n for _, n in chunk.senseless)
        _show(chunk, as_json=args.json)
    reader.close()
    account = Ledger(args.directory).account
    print(
        f"{frames:,} frames, {points:,} points, {damaged:,} damaged bytes, {lost:,} frames lost; "
        f"acked up to {account.acked_seq_inclusive:,}"
    )
    return 1 if damaged or lost else 0


def _verify_all(folder: Path, *, as_json: bool) -> int:
    if not folder.is_dir():
        raise InvalidField("DIR", f"{folder} is no directory", next_step="name a folder with spools in it")
    verdicts = []
    for directory in writer_dirs(folder):
        verdict = verify(directory)
        verdicts.append(verdict)
        print(json.dumps(asdict(verdict)) if as_json else _line(verdict), flush=True)
    total = _total(verdicts)
    print(json.dumps(total) if as_json else _total_line(total))
    return 1 if total["problems"] else 0


def _total(verdicts: Sequence[Verdict]) -> dict[str, int]:
    return {
        "writers": len(verdicts),
        "open": sum(not verdict.closed for verdict in verdicts),
        **{name: sum(getattr(verdict, name) for verdict in verdicts) for name in _SUMMED},
        "problems": sum(len(verdict.problems) for verdict in verdicts),
    }


def _line(verdict: Verdict) -> str:
    account = ", ".join(f"{name} {getattr(verdict, name):,}" for name in ("sent", "stored", "refused", "gaps"))
    state = "closed" if verdict.closed else f"open, acked up to {verdict.acked_seq:,}, {verdict.waiting:,} points wait"
    place = f"{verdict.run} {Path(verdict.directory).name}"
    left = f"{verdict.frames:,} frames, {verdict.points:,} points, {verdict.damaged_bytes:,} damaged bytes"
    return "\n".join([f"{place}: {account}; {left}; {state}", *(f"    {problem}" for problem in verdict.problems)])


def _total_line(total: dict[str, int]) -> str:
    names = ("sent", "stored", "refused", "gaps", "waiting", "damaged_bytes", "problems")
    counts = ", ".join(f"{name.replace('_', ' ')} {total[name]:,}" for name in names)
    return f"{total['writers']:,} writers, {total['open']:,} of them open: {counts}"


def _show(chunk: Chunk, *, as_json: bool) -> None:
    lines: list[tuple[int, dict[str, object]]] = [(seq, dict(record)) for seq, record in chunk.records]
    for rows in chunk.rows:
        for index, seq in enumerate(rows.seqs.tolist()):
            values = dict(zip(rows.keys, rows.values[index].tolist(), strict=True))
            lines.append((seq, {"step": int(rows.steps[index]), "time_ms": int(rows.times_ms[index]), "row": values}))
    for seq, line in sorted(lines, key=lambda item: item[0]):
        print(json.dumps({"seq": seq, **line}) if as_json else f"{seq:>8}  {line}")
