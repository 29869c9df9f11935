"""Sends an imported run and holds its counts against each other: read, sent, stored, found.

read    values the reader counted in the source
sent    values handed to the spool
stored  values the server acknowledged as committed, by the receipt
found   values a query finds afterwards: one a key and step, so as many as the source has distinct ones
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runstream import rpc_client
from runstream.errors import RunstreamError
from runstream.forward.chain import Forwarder
from runstream.forward.settings import ForwardSettings
from runstream.importers.imported import ImportedRun
from runstream.importers.writing import write_spool
from runstream.settings import Settings
from runstream.spool.ledger import REFUSED_FILE

_GIVE_UP_AFTER_S = 30.0
_KEYS_AT_ONCE = 1000


@dataclass(frozen=True)
class Account:
    """The counts of an import. ``found`` is None where no query service answers at the address."""

    read: int
    distinct: int
    sent: int = 0
    stored: int = 0
    refused: int = 0
    gaps: int = 0
    found: int | None = None
    trouble: str = ""

    @property
    def agrees(self) -> bool:
        """Whether everything that was read is stored, and found."""
        is_stored = self.read == self.sent == self.stored and not (self.refused or self.gaps or self.trouble)
        return is_stored and self.found in (None, self.distinct)


def send(run: ImportedRun, settings: Settings, *, entity: str, project: str, source: str) -> Account:
    """Stores a run under a project and counts what has become of it.

    The spool is gone afterwards, also of a run that was not sent whole: the source is still there to begin again from.
    """
    with tempfile.TemporaryDirectory(prefix="runstream-import-") as folder:
        run_dir = Path(folder)
        sent = write_spool(run, run_dir, entity=entity, project=project, source=source)
        how = ForwardSettings(run_dir, settings.base_url, settings.api_key, give_up_after_s=_GIVE_UP_AFTER_S)
        forwarder = Forwarder(how)
        asyncio.run(forwarder.run())
        trouble = "; ".join([*forwarder.gave_up.values(), *_refusals(run_dir)])
    receipt: dict[str, Any] = next(iter(forwarder.receipts.values()), {})
    counts = {name: receipt.get(name, 0) for name in ("stored", "refused", "gaps")}
    found = _found(run, settings, f"{entity or '-'}/{project}/{run.id}") if receipt else None
    return Account(run.points, run.distinct, sent, found=found, trouble=trouble, **counts)


def as_json(account: Account) -> dict[str, Any]:
    """An account as it is printed."""
    return {**asdict(account), "agrees": account.agrees}


def _refusals(run_dir: Path) -> list[str]:
    lines = [line for path in run_dir.glob(f"*/{REFUSED_FILE}") for line in path.read_text("utf-8").splitlines()]
    entries = [json.loads(line) for line in lines]
    return [f"refused {entry['count']:,}: {entry['field']!r}: {entry['message']}" for entry in entries]


def _found(run: ImportedRun, settings: Settings, name: str) -> int | None:
    keys = [column.key for column in run.columns]
    found = 0
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        request = {
            "runs": [name],
            "keys": keys[start : start + _KEYS_AT_ONCE],
            "maxBuckets": 1,
            "rankMode": "RANK_MODE_ALL",
            "attempt": run.attempt,
        }
        try:
            answer = rpc_client.call(settings.base_url, "QueryService/GetHistory", request, api_key=settings.api_key)
        except RunstreamError:  # an address of ingest alone; the receipt has answered already
            return None
        found += sum(int(count) for curve in answer.get("curves", []) for count in curve["count"])
    return found
