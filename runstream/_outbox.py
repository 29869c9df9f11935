"""Documents on their way to the spool: written whole, when they change, at a bounded cost.

A document that changes is written at once. One that changes again and again, as a summary in a loop, would cost its
whole size each time: then writing waits until it has taken no more than a twentieth of the time, at most until the
keeper comes by, within a second.

guards: ``_lock`` guards the order of a document's versions in the spool.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from runstream.documents import to_json

_REST = 20


class Outbox:
    """Writes the documents of a run.

    Args:
        write_record: takes a record.
        warn: prints a word to the user.
        now: a clock that never goes back, seconds.
    """

    def __init__(
        self,
        write_record: Callable[[Mapping[str, Any]], None],
        warn: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write_record = write_record
        self._warn = warn
        self._now = now
        self._lock = threading.RLock()
        self._waiting: dict[str, Callable[[], Mapping[str, Any]]] = {}
        self._rests_until: dict[str, float] = {}
        self._warned: set[tuple[str, str]] = set()

    def put(self, kind: str, read: Callable[[], Mapping[str, Any]]) -> None:
        """Takes a document that has changed, as a way to read it: that is done when it is written."""
        with self._lock:
            self._waiting[kind] = read
            if self._now() >= self._rests_until.get(kind, 0.0):
                self._write(kind)

    def flush(self) -> None:
        """Writes what waits."""
        with self._lock:
            for kind in list(self._waiting):
                self._write(kind)

    def after_fork(self) -> None:
        """In a forked child: what waits is the parent's to write, and so is the lock."""
        self._lock = threading.RLock()
        self._waiting.clear()

    def waiting_records(self) -> list[dict[str, Any]]:
        """Takes what waits, as records, without the lock: for a signal handler."""
        return [self._record(kind, self._waiting.pop(kind)) for kind in list(self._waiting)]

    def _write(self, kind: str) -> None:
        started = self._now()
        self._write_record(self._record(kind, self._waiting.pop(kind)))
        ended = self._now()
        self._rests_until[kind] = ended + _REST * (ended - started)

    def _record(self, kind: str, read: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        name = kind.removeprefix("KIND_").lower()

        def warn(path: str, type_name: str) -> None:
            if (name, path) not in self._warned:
                self._warned.add((name, path))
                self._warn(f"{name}[{path!r}] is a {type_name}, which JSON cannot hold: its text is kept")

        text = json.dumps(to_json(read(), on_odd=warn), ensure_ascii=False)
        return {"document": {"kind": kind, "json": text}}
