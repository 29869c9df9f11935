"""What travels from a session through the batcher to the commit, and what comes back. Types only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingest.fair import Name
from runstream.store.points import PointBlock
from runstream.store.records import Row


@dataclass(frozen=True)
class Outcome:
    """How a part ended: committed, or refused for good with a reason for people."""

    is_committed: bool
    message: str = ""


@dataclass(frozen=True)
class Part:
    """One message of one writer.

    ``name`` is whose turn it takes: API key and run.
    ``received_s`` is when it came, on the monotonic clock.
    ``done`` is called once, in the event loop, when the part is committed or refused; not if the process
    stops first.
    """

    blocks: list[PointBlock]
    rows: list[Row]
    points: int
    is_urgent: bool
    name: Name
    received_s: float
    done: Callable[[Outcome], None]
