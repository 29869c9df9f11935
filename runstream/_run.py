"""A run as training code sees it: log, config, summary, finish, receipt.

Knows the spool writer and nothing further: what leaves the machine is the forwarder's. Nothing here waits
for a network or raises for trouble of the tracker, apart from arguments that cannot be (I4).
"""

from __future__ import annotations

import atexit
import json
import os
import random
import socket
import string
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from runstream._keeper import Keeper
from runstream.documents import Document, as_mapping, to_json
from runstream.identity import Identity
from runstream.settings import Settings
from runstream.spool.writer import SpoolWriter

SPOOL_FOLDER = "runstream-runs"
_RECORD_NAMES = {"run": "name and tags", "document": "config or summary", "writer": "end"}


@dataclass(frozen=True)
class Receipt:
    """The account of what was logged: ``sent = stored + refused`` and no gaps when ``complete``.

    Attributes:
        sent: values handed to ``log()``.
        stored: values committed to ClickHouse.
        refused: values refused, by this process or the server.
        gaps: frames that were neither; 0 in a sound account.
        complete: whether the account is closed. False when offline or when the server was not reached in time.
        refusals: what was refused: reason, field, message and count.
    """

    sent: int
    stored: int
    refused: int = 0
    gaps: int = 0
    complete: bool = False
    refusals: list[dict[str, Any]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"sent {self.sent:,}, stored {self.stored:,}, refused {self.refused:,}, gaps {self.gaps:,}"


class Run:
    """One process of a run. Made by ``runstream.init``.

    Usable as a context manager: an exception marks the run failed, the end finishes it. Safe to use from
    several threads, and in forked children, which then write a spool of their own.
    """

    _keeper: Keeper | None = None

    def __init__(self, settings: Settings, identity: Identity, run_id: str, config: object) -> None:
        self._settings = settings
        self._identity = identity
        self.id = run_id
        self.name = settings.name or run_id
        self.receipt: Receipt | None = None
        self._step = 0
        self._is_finished = False
        self._document_lock = threading.Lock()
        self.config = Document(self._write_config)
        self.summary = Document(self._write_summary)
        self._open_spool()
        self._write_record({"run": self._attributes()})
        if config is not None:
            self.config.update(as_mapping(config))
        if self._keeper is not None:
            self._keeper.start()

    def log(self, data: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        """Logs one history row. When this returns, the row survives a SIGKILL of the process.

        Numbers, bools and one-element tensors are kept; NaN and infinities are values; nested mappings are
        flattened with dots. What is no number is refused, counted, and shown on the run's page; it never
        raises.

        Args:
            data: keys and values.
            step: step of the row; any order is legal and the last value logged at a step wins. Without it,
                the row gets the current step, which then moves on.
            commit: False keeps the current step for the next call; by default a call without ``step`` moves on.
        """
        with self._lock:
            if step is None:
                step = self._step
                if commit is not False:
                    self._step = step + 1
            else:
                self._step = step + 1 if commit else step
            self._append_row(data, step, time.time_ns() // 1_000_000)

    def finish(self, exit_code: int = 0, quiet: bool | None = None) -> None:
        """Ends the run and waits, up to ``finish_timeout_s``, until everything is stored.

        Sets ``receipt``. If the server is not reached in time the forwarder goes on in the background; what
        it cannot send stays in the spool for ``runstream sync``. Safe to call twice.
        """
        if self._is_finished:
            return
        self._is_finished = True
        _active.discard(self)
        is_quiet = self._settings.quiet if quiet is None else quiet
        if self._keeper is None:
            return
        self._keeper.stop()
        self._keeper.report_refusals()
        state = "RUN_STATE_FAILED" if exit_code else "RUN_STATE_FINISHED"
        self._write_record({"writer": {"state": state, "exitCode": exit_code}})
        self._writer.close()
        self.receipt = self._final_receipt()
        is_as_expected = self.receipt.complete or self._settings.mode == "offline"
        if not (is_quiet and is_as_expected):
            self._say(self._last_words())

    @property
    def step(self) -> int:
        """The step that the next ``log()`` without a step gets."""
        return self._step

    @property
    def project(self) -> str:
        """The run's project."""
        return self._settings.project

    @property
    def entity(self) -> str:
        """The run's entity; empty means the API key's own."""
        return self._settings.entity

    @property
    def dir(self) -> str:
        """Where this process's spool is."""
        return str(self._directory)

    @property
    def url(self) -> str:
        """The run's page."""
        entity = self._settings.entity or "-"
        return f"{self._settings.base_url.split(',')[0].rstrip('/')}/r/{entity}/{self._settings.project}/{self.id}"

    @property
    def rank(self) -> int:
        """Rank of this process."""
        return self._identity.rank

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(exit_code=0 if kind is None else 1)

    def __repr__(self) -> str:
        return f"<runstream run {self._settings.project}/{self.id} rank {self._identity.rank}>"

    def latest(self) -> dict[str, float]:
        """The last value this process logged for each key."""
        with self._lock:
            return self._writer.latest()

    def _open_spool(self) -> None:
        writer_id = _random_id(12)
        who = self._identity
        base = Path(self._settings.dir).absolute() / SPOOL_FOLDER / self._settings.project / self.id
        self._directory = base / f"r{who.rank}-a{who.attempt}-{writer_id}"
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
        self._lock = self._writer.lock
        self._append_row = self._writer.append_row
        self._keeper = Keeper(self._writer, self._settings, self._say)

    def _open_spool_after_fork(self, data: Mapping[str, Any], step: int, time_ms: int) -> None:
        """The first row of a forked child: gives it a spool of its own, for the same rank."""
        self._open_spool()
        if self._keeper is not None:
            self._keeper.start()
        self._append_row(data, step, time_ms)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._append_row = self._open_spool_after_fork
        self._is_finished = True  # the parent's run is the parent's to finish

    def _attributes(self) -> dict[str, Any]:
        settings = self._settings
        attributes: dict[str, Any] = {"displayName": self.name}
        if settings.run_group:
            attributes["group"] = settings.run_group
        if settings.job_type:
            attributes["jobType"] = settings.job_type
        if settings.notes:
            attributes["notes"] = settings.notes
        if settings.tags:
            attributes["tags"] = {"values": list(settings.tags)}
        return attributes

    def _write_config(self, config: Document) -> None:
        self._write_document("KIND_CONFIG", "config", config)

    def _write_summary(self, summary: Document) -> None:
        self._write_document("KIND_SUMMARY", "summary", summary)

    def _write_document(self, kind: str, name: str, document: Document) -> None:
        def warn(path: str, type_name: str) -> None:
            self._say(f"{name}[{path!r}] is a {type_name}, which JSON cannot hold: its text is kept")

        with self._document_lock:
            text = json.dumps(to_json(document.as_dict(), on_odd=warn), ensure_ascii=False)
            self._write_record({"document": {"kind": kind, "json": text}})

    def _write_record(self, record: Mapping[str, Any]) -> None:
        if self._is_finished and "writer" not in record:
            self._say("the run is finished; this change is not kept")
            return
        with self._lock:
            if not self._writer.append_record(record):
                lost, why = _RECORD_NAMES[next(iter(record))], self._writer.last_trouble
                self._say(f"cannot write to {self._directory}: {why}; the run's {lost} is not kept")

    def _final_receipt(self) -> Receipt:
        unreported = self._writer.unreported_points
        sent = self._writer.all_sent_points
        if self._settings.mode == "online" and self._keeper is not None:
            closed = self._keeper.wait_for_receipt(time.monotonic, time.sleep)
            if closed is not None:
                return Receipt(
                    sent=sent,
                    stored=closed["stored"],
                    refused=closed["refused"] + unreported,
                    gaps=closed["gaps"],
                    complete=closed["complete"],
                    refusals=closed["refusals"],
                )
        return Receipt(sent=sent, stored=0, refused=unreported)

    def _last_words(self) -> str:
        receipt, sync = self.receipt, f"`runstream sync {self._directory.parent}`"
        assert receipt is not None
        if receipt.complete:
            return f"run {self.id} finished: {receipt} · {self.url}"
        if self._settings.mode == "offline":
            return f"run {self.id} finished offline: {receipt.sent:,} points in the spool; send them with {sync}"
        trouble = (self._keeper.trouble() if self._keeper else "") or "the server has not confirmed everything yet"
        return (
            f"run {self.id} finished here, {receipt.sent:,} points are safe in the spool: {trouble}; "
            f"sending goes on in the background, later do {sync}"
        )

    def _say(self, text: str) -> None:
        print(f"runstream: {text}", file=sys.stderr, flush=True)


class DisabledRun(Run):
    """A run that keeps nothing: mode ``disabled``."""

    def _open_spool(self) -> None:
        self._directory = Path(os.devnull)
        self._lock = threading.Lock()
        self._append_row = lambda data, step, time_ms: None

    def _write_record(self, record: Mapping[str, Any]) -> None:
        """Keeps nothing."""

    def latest(self) -> dict[str, float]:
        """Nothing is kept."""
        return {}


_active: weakref.WeakSet[Run] = weakref.WeakSet()
_exit_code = 0


def open_run(settings: Settings, identity: Identity, run_id: str, config: object) -> Run:
    """Opens a run that is finished at the latest when the process ends."""
    run = (DisabledRun if settings.mode == "disabled" else Run)(settings, identity, run_id, config)
    _active.add(run)
    return run


def new_run_id() -> str:
    """Eight random letters and digits."""
    return _random_id(8)


def _random_id(length: int) -> str:
    return "".join(random.SystemRandom().choices(string.ascii_lowercase + string.digits, k=length))


def _finish_all() -> None:
    for run in list(_active):
        run.finish(exit_code=_exit_code)


def _note_failure(
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    *,
    before: Any = sys.excepthook,
) -> None:
    global _exit_code
    _exit_code = 1
    before(kind, error, trace)


def _after_fork_in_child() -> None:
    for run in list(_active):
        run._after_fork()
    _active.clear()


atexit.register(_finish_all)
sys.excepthook = _note_failure
os.register_at_fork(after_in_child=_after_fork_in_child)
