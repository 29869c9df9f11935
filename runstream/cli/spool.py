"""``runstream spool``: look into a spool as people and scripts can read it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from runstream.errors import InvalidField
from runstream.spool.ledger import Ledger
from runstream.spool.reader import Chunk, SpoolReader

EXAMPLE = "runstream spool show runstream-runs/digits/k3x9a0bc/r0-a0-5hd0x1l2m3n4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("action", choices=["show", "verify"], help="print what is in it, or only check it")
    parser.add_argument("directory", type=Path, metavar="WRITER_DIR", help="directory with writer.json in it")
    parser.add_argument("--json", action="store_true", help="print one JSON object a row or record")


def run(args: argparse.Namespace) -> int:
    """Walks the spool; 1 if something in it cannot be read."""
    if not (args.directory / "writer.json").exists():
        raise InvalidField(
            "WRITER_DIR", f"{args.directory} holds no writer.json", next_step="name a writer's directory"
        )
    reader = SpoolReader(args.directory)
    points = frames = damaged = lost = 0
    while (chunk := reader.read(is_final=True)) is not None or reader.is_in_doubt:
        if chunk is None:
            continue
        points += chunk.points
        frames += chunk.last_seq_inclusive - chunk.first_seq + 1
        damaged += chunk.damaged_bytes
        lost += chunk.lost_seqs + sum(n for _, n in chunk.senseless)
        if args.action == "show":
            _show(chunk, as_json=args.json)
    reader.close()
    account = Ledger(args.directory).account
    print(
        f"{frames:,} frames, {points:,} points, {damaged:,} damaged bytes, {lost:,} frames lost; "
        f"acked up to {account.acked_seq_inclusive:,}"
    )
    return 1 if damaged or lost else 0


def _show(chunk: Chunk, *, as_json: bool) -> None:
    lines: list[tuple[int, dict[str, object]]] = [(seq, dict(record)) for seq, record in chunk.records]
    for rows in chunk.rows:
        for index, seq in enumerate(rows.seqs.tolist()):
            values = dict(zip(rows.keys, rows.values[index].tolist(), strict=True))
            lines.append((seq, {"step": int(rows.steps[index]), "time_ms": int(rows.times_ms[index]), "row": values}))
    for seq, line in sorted(lines, key=lambda item: item[0]):
        print(json.dumps({"seq": seq, **line}) if as_json else f"{seq:>8}  {line}")
