"""A writer's account: what was sent, stored and refused, up to the highest ack. Arithmetic and two files.

sent = stored + refused at every ack; gaps count sequences that no ack ever covered. The forwarder keeps the
account, since it alone sees both the spool and the acks; it survives the forwarder in ``acked.json``.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from zlib import crc32

ACKED_FILE = "acked.json"
REFUSED_FILE = "refused.jsonl"
RECEIPT_FILE = "receipt.json"
_MAX = 1 << 63


@dataclass
class Account:
    """Points up to a sequence."""

    acked_seq_inclusive: int = 0
    sent: int = 0
    stored: int = 0
    refused: int = 0
    gaps: int = 0
    state: int = 0
    """How the writer ended, a RunState; 0 while it has not said."""
    exit_code: int = 0
    clock_us: int = 0
    """Latest time that was said of the writer, by itself or by a forwarder."""


@dataclass(frozen=True)
class InFlight:
    """A batch that waits for its ack."""

    last_seq_inclusive: int
    points: int
    refused_by_client: int
    state: int = 0
    exit_code: int = 0
    gaps: int = 0
    """Sequences before or in it that could not be read."""


class Ledger:
    """The account of one writer's directory.

    Args:
        directory: the writer's directory; an account that is there is taken up.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        account = _read_account(directory / ACKED_FILE)
        self.account = account or Account()
        self.is_damaged = account is None
        """Whether there was an account that could not be read; this one then begins at 0."""
        self.in_flight: deque[InFlight] = deque()
        self._refused_by_server: list[dict[str, Any]] = []

    def sent(self, batch: InFlight) -> None:
        """Notes a batch that goes out."""
        self.in_flight.append(batch)

    def forget_in_flight(self) -> None:
        """The stream broke: what was in flight will be sent again."""
        self.in_flight.clear()
        self._refused_by_server.clear()

    def refusal(self, refusal: Mapping[str, Any]) -> None:
        """Notes what the server refused of a batch in flight; counted when the batch is acked."""
        self._refused_by_server.append(dict(refusal))

    def acked(self, seq_inclusive: int) -> None:
        """Moves the account to an ack and keeps it on disk."""
        while self.in_flight and self.in_flight[0].last_seq_inclusive <= seq_inclusive:
            batch = self.in_flight.popleft()
            last = batch.last_seq_inclusive
            refused = sum(int(r["count"]) for r in self._refused_by_server if r["last_seq"] <= last)
            for entry in [r for r in self._refused_by_server if r["last_seq"] <= last]:
                self.keep_refusal(entry)
                self._refused_by_server.remove(entry)
            self.account.sent += batch.points + batch.refused_by_client
            self.account.stored += batch.points - refused
            self.account.refused += refused + batch.refused_by_client
            self.account.gaps += batch.gaps
            if batch.state:
                self.account.state, self.account.exit_code = batch.state, batch.exit_code
            self.account.acked_seq_inclusive = last
        self.keep()

    def keep(self) -> None:
        """Puts the account on disk, so that the next forwarder takes it up."""
        with contextlib.suppress(OSError):  # a full disk: the next ack may find room, and a replay replaces itself
            write_json(self.directory / ACKED_FILE, _checked(asdict(self.account)))

    def begin_again(self) -> None:
        """After a damaged account: everything that is still there is sent and counted anew, so old lines go."""
        self.is_damaged = False
        (self.directory / REFUSED_FILE).unlink(missing_ok=True)
        message = f"{ACKED_FILE} was damaged: counting began again with what the spool still holds"
        self.keep_refusal({"reason": "SPOOL_DAMAGED", "field": ACKED_FILE, "message": message, "count": 0})

    def keep_refusal(self, entry: Mapping[str, Any]) -> None:
        """Adds a line to the reject file; one that finds no room is still in the account."""
        line = json.dumps(entry).encode() + b"\n"
        with contextlib.suppress(OSError), (self.directory / REFUSED_FILE).open("ab+") as file:
            if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                line = b"\n" + line  # the line before is torn
            file.write(line)

    def close(self) -> dict[str, Any]:
        """Closes the account: writes the receipt and returns it."""
        account = {name: value for name, value in asdict(self.account).items() if name != "clock_us"}
        receipt = {**account, "complete": not self.account.gaps, "refusals": self.refusals()}
        write_json(self.directory / RECEIPT_FILE, receipt)
        return receipt

    def refusals(self) -> list[dict[str, Any]]:
        """What was refused, summed by reason and field, at most 1000. The counts add up to the account's."""
        summed: dict[tuple[str, str], dict[str, Any]] = {}
        entries, unreadable = _read_lines(self.directory / REFUSED_FILE)
        listed = 0
        for entry in entries:
            key = (entry["reason"], entry["field"])
            listed += entry["count"]
            if key in summed:
                summed[key]["count"] += entry["count"]
            elif len(summed) < 1000:
                summed[key] = entry
        missing = self.account.refused - listed
        if unreadable or missing > 0:
            message = f"{unreadable} lines of {REFUSED_FILE} cannot be read; what they said of is still counted"
            entry = {"reason": "SPOOL_DAMAGED", "field": REFUSED_FILE, "message": message, "count": max(0, missing)}
            summed["SPOOL_DAMAGED", REFUSED_FILE] = entry
        return list(summed.values())


def read_receipt(directory: Path) -> dict[str, Any] | None:
    """The closed account of a writer's directory, or None while it is open or if it cannot be read."""
    try:
        receipt = _read_json(directory / RECEIPT_FILE)
    except OSError:
        return None
    if receipt is None or _account_of(receipt) is None:
        return None
    is_whole = isinstance(receipt.get("complete"), bool) and isinstance(receipt.get("refusals"), list)
    return receipt if is_whole else None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces a file in one step: readers see the old content or the new."""
    building = path.with_suffix(".building")
    building.write_text(json.dumps(content), encoding="utf-8")
    os.replace(building, path)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _read_account(path: Path) -> Account | None:
    """The account that is kept, a new one where there is none, or None if what is there cannot be one."""
    if not path.exists():
        return Account()
    content = _read_json(path)
    if content is None or content.get("check", _check(content)) != _check(content):
        return None
    return _account_of(content)


def _account_of(content: Mapping[str, Any]) -> Account | None:
    """Numbers as an account, if they add up; names of a later version are left out, those it adds are 0."""
    numbers = {each.name: content.get(each.name, 0) for each in fields(Account)}
    if "acked_seq_inclusive" not in content or not all(
        type(number) is int and abs(number) < _MAX for number in numbers.values()
    ):
        return None
    account = Account(**numbers)
    is_sound = account.sent == account.stored + account.refused
    lowest = min(number for name, number in asdict(account).items() if name != "exit_code")
    return account if is_sound and lowest >= 0 else None


def _checked(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "check": _check(content)}


def _check(content: Mapping[str, Any]) -> int:
    """A flipped bit in a digit is still JSON, and an ack too high would leave rows unsent."""
    rest = {name: value for name, value in content.items() if name != "check"}
    return crc32(json.dumps(rest, sort_keys=True).encode())


def _read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The lines of the reject file, each once, and how many cannot be read."""
    try:
        # A forwarder that died before its ack was on disk kept the same line twice.
        lines = dict.fromkeys(path.read_bytes().splitlines())
    except FileNotFoundError:
        return [], 0
    except OSError:
        return [], 1
    entries = [_entry(line) for line in lines if line]
    sound = [entry for entry in entries if entry is not None]
    return sound, len(entries) - len(sound)


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(line.decode())
        entry = {name: said[name] for name in ("reason", "field", "message")}
        entry["count"] = int(said["count"])
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    is_sound = all(isinstance(entry[name], str) for name in ("reason", "field", "message"))
    return entry if is_sound and 0 <= entry["count"] < _MAX else None
