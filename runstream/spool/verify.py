"""Checks one writer's directory: every frame that is left, and whether its account adds up. Reads only.

Works beside a living writer and a forwarder: what they delete meanwhile was acked, and a tail that is torn is a row
that was never returned.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runstream.rich import row_points
from runstream.spool.frame import BODY_HEADER, SEGMENT_HEADER, Kind, read_segment_header, row_struct
from runstream.spool.ledger import ACKED_FILE, RECEIPT_FILE, Ledger, read_receipt
from runstream.spool.places import WRITER_FILE
from runstream.spool.scan import Frames, Stop, scan

_ROW_BYTES, _VALUE_BYTES = row_struct(0).size, 8


@dataclass
class Verdict:
    """What is in a writer's directory.

    ``frames`` and ``points`` are those of the segments that are left; ``waiting`` are the points among them that no
    ack covers yet, with those that the writer refused: ``sent`` + ``waiting`` is what was logged so far.
    """

    run: str
    writer: str
    rank: int
    attempt: int
    directory: str
    frames: int = 0
    points: int = 0
    waiting: int = 0
    damaged_bytes: int = 0
    acked_seq: int = 0
    sent: int = 0
    stored: int = 0
    refused: int = 0
    gaps: int = 0
    closed: bool = False
    complete: bool = False
    refusals: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def verify(directory: Path) -> Verdict:
    """Checks a writer's directory."""
    verdict = _identified(directory)
    _read_account(directory, verdict)
    expected = 0
    for path in sorted(directory.glob("*.spool")):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # acked and deleted just now
        try:
            first_seq = read_segment_header(data)
        except ValueError as error:
            if len(data) >= SEGMENT_HEADER.size:  # else it is being made
                _damage(verdict, path, len(data), str(error))
            continue
        if not expected and first_seq > _acked_seq(directory) + 1:
            verdict.problems.append(f"frames {verdict.acked_seq + 1} to {first_seq - 1} are neither here nor acked")
        elif expected and first_seq != expected:
            # A tail torn before the next segment cost nothing if no number is missing: a full disk leaves one behind.
            verdict.problems.append(f"{path.name} begins with frame {first_seq}, not {expected}")
        expected = first_seq + _check_frames(verdict, path, data, first_seq)
    if not expected and not verdict.closed:
        verdict.problems.append("no segment is left, but the account is open")
    return verdict


def _identified(directory: Path) -> Verdict:
    try:
        who = json.loads((directory / WRITER_FILE).read_text("utf-8"))
        run = "/".join((who["entity"] or "-", who["project"], who["run"]))
        return Verdict(run, who["writer"], int(who["rank"]), int(who["attempt"]), str(directory))
    except (OSError, ValueError, KeyError, TypeError) as error:
        verdict = Verdict("", directory.name, 0, 0, str(directory))
        verdict.problems.append(f"{WRITER_FILE} cannot be read: {error!r}")
        return verdict


def _read_account(directory: Path, verdict: Verdict) -> None:
    try:
        ledger = Ledger(directory)
        account, receipt, refusals = ledger.account, read_receipt(directory), ledger.refusals()
    except (OSError, ValueError, KeyError, TypeError) as error:
        verdict.problems.append(f"the account cannot be read: {error!r}")
        return
    if ledger.is_damaged:
        verdict.problems.append(f"{ACKED_FILE} cannot be read or does not add up")
    if receipt is None and (directory / RECEIPT_FILE).exists():
        verdict.problems.append(f"{RECEIPT_FILE} cannot be read or does not add up")
    closed = receipt or {}
    verdict.acked_seq = account.acked_seq_inclusive
    for name in ("sent", "stored", "refused", "gaps"):
        setattr(verdict, name, int(closed.get(name, getattr(account, name))))
    verdict.closed, verdict.complete = receipt is not None, bool(closed.get("complete"))
    verdict.refusals = closed.get("refusals", refusals)
    if verdict.gaps:
        verdict.problems.append(f"{verdict.gaps} frames were lost")
    if verdict.closed and not verdict.complete:
        verdict.problems.append("the receipt is not complete")


def _check_frames(verdict: Verdict, path: Path, data: bytes, first_seq: int) -> int:
    """Counts a segment's frames; returns how many."""
    groups, used, stop = scan(data, SEGMENT_HEADER.size)
    seq = first_seq
    for frames in groups:
        waiting = max(0, min(frames.n, seq + frames.n - 1 - verdict.acked_seq))
        if frames.kind == Kind.ROW:
            width = (frames.size - _ROW_BYTES) // _VALUE_BYTES
            verdict.points += width * frames.n
            verdict.waiting += width * waiting
        elif frames.kind == Kind.RECORD and waiting:
            verdict.waiting += _said(data, frames)
        seq += frames.n
    verdict.frames += seq - first_seq
    if stop is Stop.DAMAGED:
        _damage(verdict, path, len(data) - used, f"frame {seq}, at byte {used}, has a wrong length or checksum")
    return seq - first_seq


def _said(data: bytes, frames: Frames) -> int:
    """Points of a record: values that are no numbers, or what the writer refused."""
    record = json.loads(data[frames.start + BODY_HEADER.size : frames.start + frames.size])
    if "history" in record:
        return row_points(record["history"]["json"])
    return int(record.get("refused", {}).get("count", 0))


def _acked_seq(directory: Path) -> int:
    try:
        return Ledger(directory).account.acked_seq_inclusive
    except (OSError, ValueError, TypeError):
        return 0


def _damage(verdict: Verdict, path: Path, size: int, why: str) -> None:
    verdict.damaged_bytes += size
    verdict.problems.append(f"{path.name}: {why}; {size} bytes cannot be read")
