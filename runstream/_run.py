"""A run as training code sees it: log, config, summary, define_metric, finish, receipt.

Knows the spool writer and nothing further: what leaves the machine is the forwarder's. Nothing here waits
for a network or raises for trouble of the tracker, apart from arguments that cannot be (I4); with
``RUNSTREAM_STRICT=1`` all of it raises.
"""

from __future__ import annotations

import json
import operator
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from runstream import _ends, _metrics
from runstream._alert import AlertLevel, Alerts
from runstream._config import Config
from runstream._metrics import Definitions, Metric
from runstream._outbox import Outbox
from runstream._receipt import Receipt, RunStatus
from runstream._resume import Beginning, forget_run
from runstream._spooled import Spooled
from runstream._summary import Summary
from runstream.errors import RunstreamError
from runstream.identity import Identity
from runstream.settings import SPOOL_FOLDER as SPOOL_FOLDER
from runstream.settings import Settings
from runstream.spool.ledger import ACKED_FILE

if TYPE_CHECKING:
    from datetime import timedelta

    import numpy.typing as npt


class Run(Spooled):
    """One process of a run. Made by ``runstream.init``.

    Usable as a context manager: an exception marks the run failed, the end finishes it. Safe to use from
    several threads, and in forked children, which then write a spool of their own.
    """

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        run_id: str,
        config: object,
        beginning: Beginning | None = None,
        defaults: Mapping[str, Any] | None = None,
        *,
        asleep: bool = False,
    ) -> None:
        beginning = beginning or Beginning()
        self.id = run_id
        self._settings = settings
        self._identity = identity
        self.receipt: Receipt | None = None
        self.resumed = beginning.is_resumed
        self.starting_step = self._step = beginning.first_step
        self.start_time = time.time()
        self._take_attributes(settings, beginning)
        self._is_finished = self._is_settled = False
        self._definitions = Definitions()
        self._alerts = Alerts()
        self._outbox = Outbox(self._write_record, self._warn)
        outbox, allows = self._outbox, settings.allow_val_change or _ends.in_notebook()
        self._config = Config(lambda it: outbox.put("KIND_CONFIG", it._own), self._warn, allows_change=allows)
        self._summary = Summary(lambda it: outbox.put("KIND_SUMMARY", it._own), self.latest, self._leave_out)
        self._lock = threading.Lock()
        self._config._begin(config, defaults or {}, beginning.earlier.config if beginning.earlier else {})
        self._sleeps_in_child = asleep
        if asleep:
            self._sleep()
            return
        self._open_spool()
        attributes = {**self._given_attributes(), **beginning.said}
        if attributes:
            self._say_attributes(attributes)
        if self._config:
            self._outbox.put("KIND_CONFIG", self._config._own)
        if self._keeper is not None:
            self._keeper.start()
        self._start_capture()

    def log(self, data: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        """Logs one history row. When this returns, the row survives a SIGKILL of the process.

        Numbers, bools and one-element tensors are points; NaN and infinities are values; texts, media and arrays
        are kept beside them; nested mappings are flattened with dots. What cannot be kept is refused, counted,
        and shown on the run's page; it never raises.

        Args:
            data: keys and values.
            step: step of the row; any order is legal and the last value logged at a step wins. Without it,
                the row gets the current step, which then moves on.
            commit: False keeps the current step for the next call; by default a call without ``step`` moves on.
        """
        with self._lock:
            try:
                if step is None:
                    step = self._step
                    if commit is not False:
                        self._step = step + 1
                elif step.__class__ is int:  # 15 ns; type(step) would be a call
                    self._step = step + 1 if commit else step
                else:
                    step = self._odd_step(step, bool(commit))
                self._append_row(data, step, time.time_ns() // 1_000_000)
            except RunstreamError:
                raise
            except Exception as error:
                self._log_badly(data, error)

    def log_rows(
        self,
        steps: npt.ArrayLike,
        data: Mapping[str, npt.ArrayLike],
        timestamps: npt.ArrayLike | None = None,
    ) -> None:
        """Logs many history rows at once, from arrays: 0.5 us a row instead of 3. Loads numpy.

        Args:
            steps: int64[R], the step of each row.
            data: key to float64[R], its value in each row.
            timestamps: float64[R], when each row was, seconds since 1970; by default all of them now.

        Raises:
            InvalidField: the arrays are not of one length, or hold no numbers.
        """
        from runstream.spool.bulk import Rows

        rows = Rows.of(steps, data, timestamps, now_ms=time.time_ns() // 1_000_000)
        if not rows.count:
            return
        with self._lock:
            self._append_row({}, 0, 0)  # in a forked child, or after the end: opens, or says what is to be said
            if self._is_finished:
                return
            if self._writer is not None:
                rows.append_to(self._writer)
            self._step = rows.last_step + 1

    def define_metric(
        self,
        name: str,
        step_metric: str | Metric | None = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        goal: str | None = None,
        overwrite: bool | None = None,
    ) -> Metric:
        """Says how a metric is shown and summed up.

        Args:
            name: the metric, or a glob such as ``train/*``; a name wins over globs, a longer glob over a shorter.
            step_metric: the metric that is the x axis of its charts.
            step_sync: whether a row that lacks the step metric gets its last value; by default, if there is one.
            hidden: whether charts leave it out.
            summary: what the run's summary holds: some of min, max, mean, best, last, first, copy, none, with
                commas between.
            goal: what ``best`` means: minimize, unless told maximize.
            overwrite: forget what was said of this name before, instead of adding to it.

        Raises:
            InvalidField: an argument cannot be.
        """
        wanted = _metrics.parse(name, step_metric, step_sync, hidden, summary, goal)
        with self._lock:
            metric = self._definitions.define(wanted, overwrite=bool(overwrite))
            if not self._sleeps_in_child and not self._is_finished:
                self._route()
        self._outbox.put("KIND_METRICS", self._definitions.as_dict)
        return metric

    def mark_preempting(self) -> None:
        """Says that the machine is being taken away, so that an end by SIGTERM is no failure of the training."""
        self._write_record({"run": {"preempting": True}})

    def alert(
        self,
        title: str,
        text: str = "",
        level: str | AlertLevel | None = None,
        wait_duration: float | timedelta | None = None,
    ) -> None:
        """Says a word to people: it stands on the run's page.

        Args:
            title: what it is about; at most 65,536 characters are kept, as of the text.
            text: the word.
            level: INFO, WARN or ERROR; INFO if not said.
            wait_duration: seconds, or a timedelta, for which the same title is not said again.

        Raises:
            InvalidField: the level is another one, or the title is empty.
        """
        record = self._alerts.record(title, text, level, wait_duration)
        if record is not None:
            self._write_record(record)

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        """Ends the run and waits, up to ``finish_timeout_s``, until everything is stored.

        Sets ``receipt``. If the server is not reached in time the forwarder goes on in the background; what
        it cannot send stays in the spool for ``runstream sync``. Safe to call twice.
        """
        self.end(exit_code or 0, None)
        self.settle(quiet=quiet)

    @property
    def config(self) -> Config:
        """The run's hyper-parameters; assigning a config adds it, over what is there."""
        return self._config

    @config.setter
    def config(self, config: Any) -> None:
        self._config.update(config, allow_val_change=True)

    @property
    def summary(self) -> Summary:
        """What the run came to: what was set, over the last value of what was logged."""
        return self._summary

    @property
    def step(self) -> int:
        """The step that the next ``log()`` without a step gets."""
        return self._step

    def status(self) -> RunStatus:
        """How far the sending is. Reads two small files."""
        writer, keeper = self._writer, self._keeper
        if writer is None or keeper is None:
            return RunStatus(0, 0, 0)
        try:
            account = json.loads((self._directory / ACKED_FILE).read_text("utf-8"))
        except (OSError, ValueError):
            account = {}
        stored, refused = account.get("stored", 0), account.get("refused", 0)
        trouble = keeper.trouble() if self._settings.mode == "online" else ""
        return RunStatus(writer.all_sent_points, stored, refused + writer.unreported_points, trouble)

    def latest(self) -> dict[str, float]:
        """The last value this process logged for each key."""
        with self._lock:
            return {} if self._writer is None else self._writer.latest()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(_ends.exit_code_of(error), _ends.describe_failure(error, trace))
        self.settle()

    @property
    def _attach_id(self) -> str:
        """What another process needs to log to this run; Lightning's WandbLogger hands it on."""
        from runstream._init import attach_id

        return attach_id(self)

    def __reduce__(self) -> tuple[Any, ...]:
        from runstream._init import asleep

        return asleep, (self._attach_id,)

    def __repr__(self) -> str:
        return f"<runstream run {self._settings.project}/{self.id} rank {self._identity.rank}>"

    def end(self, exit_code: int, failure: Mapping[str, str] | None) -> None:
        """Writes down how the run ended, and waits for nothing. ``finish`` calls it; only the first call counts."""
        if self._is_finished:
            return
        if not self._sleeps_in_child:
            self._outbox.flush()
        self._stop_capture()
        self._is_finished = True
        _ends.forget(self)
        if self._sleeps_in_child or self._keeper is None or self._writer is None:
            return
        self._keeper.stop()
        self._keeper.report_refusals()
        self._write_record(_end_record(exit_code, failure))
        self._writer.close()
        self._append_row = self._append_after_end
        if not exit_code:
            forget_run(self._settings, self.id)

    def end_in_signal(self, exit_code: int) -> None:
        """Writes down how the run ended from a signal handler.

        What the handler interrupted may hold the lock for ever; it then writes without it, as the process goes
        no further than this.
        """
        writer = self._writer
        if self._is_finished or self._sleeps_in_child or writer is None:
            return
        self._is_finished = True
        records = self._outbox.waiting_records() if self._lock.acquire(timeout=0.5) else []
        for record in (*records, _end_record(exit_code, None)):
            writer.append_record(record)

    def settle(self, *, waits: bool = True, quiet: bool | None = None) -> None:
        """Makes the receipt of a run that has ended, and says how it went."""
        if self._is_settled or self._sleeps_in_child or self._keeper is None:
            return
        self._is_settled = True
        self.receipt = self._final_receipt(waits)
        is_quiet = self._settings.quiet if quiet is None else quiet
        is_as_expected = self.receipt.complete or self._settings.mode == "offline"
        if not (is_quiet and is_as_expected):
            self._say(self._last_words())

    def _odd_step(self, step: Any, moves_on: bool) -> Any:
        """A step that is no plain int: numpy's are taken; others go on to the writer, which refuses the row."""
        try:
            number = operator.index(step)
        except TypeError:
            return step
        self._step = number + 1 if moves_on else number
        return number

    def _log_badly(self, data: object, error: Exception) -> None:
        """What ``log`` was given is no mapping, or one that cannot be read: counts it. The caller holds the lock."""
        if self._writer is None:
            return
        what = f"log() takes a mapping, not {type(data).__name__}"
        if isinstance(data, Mapping):
            what = f"a row of {type(data).__name__} cannot be read: {error!r:.200}"
        self._writer.refuse("MALFORMED", "", what, 1)
        if self._settings.strict:
            self._append_strictly({}, 0, 0)

    def _leave_out(self, key: str) -> None:
        self.define_metric(key, summary="none")

    def _final_receipt(self, waits: bool) -> Receipt:
        assert self._writer is not None
        unreported = self._writer.unreported_points
        sent = self._writer.all_sent_points
        if self._settings.mode == "online" and self._keeper is not None and waits:
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


def open_run(
    settings: Settings,
    identity: Identity,
    run_id: str,
    config: object,
    beginning: Beginning | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Run:
    """Opens a run that is finished at the latest when the process ends."""
    run = Run(settings, identity, run_id, config, beginning, defaults)
    _ends.watch(run)
    return run


def _end_record(exit_code: int, failure: Mapping[str, str] | None) -> dict[str, Any]:
    said: dict[str, Any] = {"state": "RUN_STATE_FAILED" if exit_code else "RUN_STATE_FINISHED", "exitCode": exit_code}
    if failure is not None:
        said["failure"] = dict(failure)
    return {"writer": said}
