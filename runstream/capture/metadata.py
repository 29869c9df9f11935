"""Facts about a run's start: program, code, packages, machine, launcher. JSON-like, secrets masked.

Collected on threads of its own, which also load what it takes: ``init()`` does not wait for any of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Part = Literal["program", "launcher", "code", "git", "requirements", "hardware"]
PARTS: tuple[Part, ...] = get_args(Part)  # in the order in which they are collected: the slowest last
DEADLINE_S = 30.0


@dataclass(frozen=True)
class Metadata:
    """What was found.

    Attributes:
        document: ``started_at`` and facts by part; a part that failed is ``{"error": text}``.
        files: ``diff.patch`` and the code file as ``code/NAME``, secrets masked, each at most 1 MiB.
    """

    document: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def collect_in_background(
    done: Callable[[Metadata], None],
    parts: Collection[Part] = PARTS,
    *,
    redact: bool = True,
    deadline_s: float = DEADLINE_S,
) -> threading.Thread:
    """Collects the wanted parts and calls ``done`` once, at the latest at the deadline, on the thread it returns."""
    started_s = time.time()

    def run() -> None:
        done(collect(parts, started_s=started_s, redact=redact, deadline_s=deadline_s))

    thread = threading.Thread(target=run, name="runstream-metadata", daemon=True)
    thread.start()
    return thread


def collect(
    parts: Collection[Part] = PARTS,
    *,
    started_s: float | None = None,
    redact: bool = True,
    deadline_s: float = DEADLINE_S,
) -> Metadata:
    """Collects the wanted parts; never raises and takes no longer than the deadline.

    A part that hangs, on a dead network file system or in a sick GPU's driver, is left behind with its thread.
    """
    from runstream.capture.collector import Collector

    collector = Collector(redact)
    worker = threading.Thread(target=collector.run, args=(parts,), name="runstream-metadata-parts", daemon=True)
    worker.start()
    worker.join(deadline_s)
    started = time.time() if started_s is None else started_s
    document: dict[str, Any] = {"started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))}
    found, files = dict(collector.found), dict(collector.files)
    for part in PARTS:
        if part in parts:
            document[part] = found.get(part, {"error": f"not collected within {deadline_s:g} s"})
    return Metadata(document, files)
