"""The way of a run's rows and records to its spool: opened, refused strictly, reopened in a forked child, closed.

``_append_row`` is the whole way of a row. It is one of: the spool writer's own fast path; that with strictness
or step metrics around it; what opens the spool of a forked child; what says that the run has ended. So
``log`` itself asks nothing.
"""

from __future__ import annotations

import os
import random
import socket
import string
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from runstream import _ends
from runstream._attributes import Attributes
from runstream._captured import Captured, wanted
from runstream._keeper import Keeper
from runstream._metrics import AppendRow, Definitions, StepSync
from runstream._outbox import Outbox
from runstream.errors import InvalidField, RunstreamError
from runstream.settings import SPOOL_FOLDER
from runstream.spool.writer import SpoolWriter

_RECORD_NAMES = {"run": "name and tags", "document": "config or summary", "writer": "end", "alert": "alert"}


class Spooled(Attributes):
    """A run's spool. ``Run`` adds what users call.

    guards: ``_lock`` guards the spool writer, the step and the metrics' definitions; it is the writer's own too.
    """

    _keeper: Keeper | None
    _writer: SpoolWriter | None
    _append_row: AppendRow
    _lock: threading.Lock
    _outbox: Outbox
    _captured: Captured | None = None
    _definitions: Definitions
    _is_finished: bool
    _sleeps_in_child: bool
    _said_after_end = False

    def after_fork(self) -> None:
        """In a forked child: the spool is the parent's. One of its own opens when the child first says something."""
        self._lock = threading.Lock()
        self._captured = None  # the parent's; what a child prints comes through the parent's console
        self._outbox.after_fork()
        if self._writer is not None and not self._is_finished:
            self._sleep()

    def _open_spool(self) -> None:
        if self._settings.mode == "disabled":
            self._keep_nothing()
            return
        base = Path(self._settings.dir).absolute()
        try:
            self._open_spool_in(base)
        except OSError as error:
            import tempfile

            other = Path(tempfile.gettempdir()) / f"runstream-{os.getuid()}"
            self._warn(f"cannot write to {base}: {error.strerror or error}; the run is kept in {other}")
            try:
                self._open_spool_in(other)
            except OSError as second:
                self._say(f"cannot write to {other} either: {second.strerror or second}; NOTHING OF THIS RUN IS KEPT")
                self._keep_nothing()

    def _open_spool_in(self, base: Path) -> None:
        writer_id = random_id(12)
        who = self._identity
        self._directory = self._folder(base) / f"r{who.rank}-a{who.attempt}-{writer_id}"
        self._writer = SpoolWriter(
            self._directory,
            {
                "entity": self._settings.entity,
                "project": self._settings.project,
                "run": self.id,
                "attempt": who.attempt,
                "rank": who.rank,
                "world_size": who.world_size,
                "writer": writer_id,
                "forwarder": self._settings.forwarder if self._settings.mode == "online" else "none",
                "host": socket.gethostname(),
                "process_id": os.getpid(),
                "started_us": time.time_ns() // 1000,
            },
            max_bytes=self._settings.spool_max_bytes,
        )
        self._writer.lock = self._lock
        self._keeper = Keeper(self._writer, self._settings, self._say, self._outbox.flush)
        self._route()

    def _folder(self, base: Path) -> Path:
        return base / SPOOL_FOLDER / self._settings.project / self.id

    def _keep_nothing(self) -> None:
        import tempfile

        self._writer = self._keeper = None
        self._directory = Path(tempfile.gettempdir())
        self._append_row = lambda data, step, time_ms: None

    def _route(self) -> None:
        """Sets the way of a row to the spool: straight, but for what strictness and step metrics need."""
        if self._writer is None:
            return
        self._append_row = self._append_strictly if self._settings.strict else self._writer.append_row
        if self._definitions.step_metrics:
            self._append_row = StepSync(self._definitions, self._append_row, self._writer.latest()).append_row

    def _append_strictly(self, data: Mapping[str, Any], step: int, time_ms: int) -> None:
        assert self._writer is not None
        self._writer.append_row(data, step, time_ms)
        if self._writer.unreported_points:
            for entry in self._writer.flush_refusals():
                raise InvalidField(entry.field or "data", entry.message)
            raise RunstreamError(f"cannot write to {self._directory}: {self._writer.last_trouble}")

    def _append_first_in_child(self, data: Mapping[str, Any], step: int, time_ms: int) -> None:
        self._wake_in_child()
        self._append_row(data, step, time_ms)

    def _append_after_end(self, data: Mapping[str, Any], step: int, time_ms: int) -> None:
        if not self._said_after_end:
            self._said_after_end = True
            self._warn("the run is finished; what is logged now is not kept")

    def _sleep(self) -> None:
        """Waits, in a child, for the first thing that is said."""
        self._sleeps_in_child = True
        self._writer = self._keeper = None
        self._directory = self._folder(Path(self._settings.dir).absolute())
        self._append_row = self._append_first_in_child

    def _wake_in_child(self) -> None:
        """Gives a child a spool of its own, for the same rank. The caller holds the lock."""
        self._sleeps_in_child = False
        self._open_spool()
        _ends.watch(cast(_ends.Endable, self))
        if self._keeper is not None:
            self._keeper.start()

    def _say_attributes(self, attributes: Mapping[str, Any]) -> None:
        self._write_record({"run": attributes})

    def _write_record(self, record: Mapping[str, Any]) -> None:
        if self._is_finished and "writer" not in record:
            self._warn("the run is finished; this change is not kept")
            return
        with self._lock:
            if self._sleeps_in_child:
                self._wake_in_child()
            written = self._writer is None or self._writer.append_record(record)
            why = "" if self._writer is None else self._writer.last_trouble
        if not written:
            lost = _RECORD_NAMES[next(iter(record))]
            self._warn(f"cannot write to {self._directory}: {why}; the run's {lost} is not kept")

    def _start_capture(self) -> None:
        if self._writer is None:
            return
        self._captured = Captured(self._directory, wanted(self._settings.capture), self._append_captured)
        try:
            self._captured.start()
        except Exception as error:  # no run ends for want of its output (I4)
            self._say(f"output and facts of this process are not recorded: {error!r}")

    def _stop_capture(self) -> None:
        captured, self._captured = self._captured, None
        if captured is not None:
            trouble = captured.stop()
            if trouble:
                self._say(trouble)

    def _append_captured(self, record: Mapping[str, Any]) -> bool:
        with self._lock:
            return self._writer is not None and not self._is_finished and self._writer.append_record(record)

    def _say(self, text: str) -> None:
        print(f"runstream: {text}", file=sys.stderr, flush=True)

    def _warn(self, text: str) -> None:
        """Says what is wrong, where nothing may be raised into training; strictly, raises it."""
        if self._settings.strict:
            raise RunstreamError(text)
        self._say(text)


def random_id(length: int = 8) -> str:
    """Random letters and digits."""
    return "".join(random.SystemRandom().choices(string.ascii_lowercase + string.digits, k=length))
