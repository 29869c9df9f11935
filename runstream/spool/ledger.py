"""A writer's account: what was sent, stored and refused, up to the highest ack. Arithmetic and two files.

sent = stored + refused at every ack; gaps count sequences that no ack ever covered. The forwarder keeps the
account, since it alone sees both the spool and the acks; it survives the forwarder in ``acked.json``.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ACKED_FILE = "acked.json"
REFUSED_FILE = "refused.jsonl"
RECEIPT_FILE = "receipt.json"


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


class Ledger:
    """The account of one writer's directory.

    Args:
        directory: the writer's directory; an account that is there is taken up.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.account = Account(**(_read_json(directory / ACKED_FILE) or {}))
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
            if batch.state:
                self.account.state, self.account.exit_code = batch.state, batch.exit_code
            self.account.acked_seq_inclusive = last
        self.keep()

    def keep(self) -> None:
        """Puts the account on disk, so that the next forwarder takes it up."""
        write_json(self.directory / ACKED_FILE, asdict(self.account))

    def keep_refusal(self, entry: Mapping[str, Any]) -> None:
        """Adds a line to the reject file."""
        with (self.directory / REFUSED_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def close(self) -> dict[str, Any]:
        """Closes the account: writes the receipt and returns it."""
        account = {name: value for name, value in asdict(self.account).items() if name != "clock_us"}
        receipt = {**account, "complete": not self.account.gaps, "refusals": self.refusals()}
        write_json(self.directory / RECEIPT_FILE, receipt)
        return receipt

    def refusals(self) -> list[dict[str, Any]]:
        """What was refused, summed by reason and field, at most 1000."""
        try:
            lines = (self.directory / REFUSED_FILE).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        summed: dict[tuple[str, str], dict[str, Any]] = {}
        # A forwarder that died before its ack was on disk kept the same line twice.
        for entry in map(json.loads, dict.fromkeys(lines)):
            key = (entry["reason"], entry["field"])
            entry.pop("last_seq", None)
            if key in summed:
                summed[key]["count"] += int(entry["count"])
            elif len(summed) < 1000:
                summed[key] = {**entry, "count": int(entry["count"])}
        return list(summed.values())


def read_receipt(directory: Path) -> dict[str, Any] | None:
    """The closed account of a writer's directory, or None while it is open."""
    return _read_json(directory / RECEIPT_FILE)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces a file in one step: readers see the old content or the new."""
    building = path.with_suffix(".building")
    building.write_text(json.dumps(content), encoding="utf-8")
    os.replace(building, path)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    return content if isinstance(content, dict) else None
