"""Why a process died: an uncaught exception, or a signal.

    exception ──► sys.excepthook, chained ──► record(Failure)
    SIGTERM, a crash ──► faulthandler writes tracebacks into a file ──► read_signal_record, by the forwarder

A signal's handler in Python would run only when the main thread next comes back to the interpreter; one that
waits in a collective for a dead peer never does, and would no longer die of SIGTERM. faulthandler writes from C
and then lets the signal do what it did before. A program's own handler of SIGTERM, earlier or later, is left
alone: such a program ends as it likes, and tells.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import time
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

MAX_TEXT_BYTES = 64 << 10
_MAX_MESSAGE_CHARS = 2000
_FRAMES_AT_AN_END = 100  # of a recursion that is too deep, the ends tell


@dataclass(frozen=True)
class Failure:
    """How a process failed.

    Attributes:
        kind: what ended it.
        type: class of the exception with its module, or name of the signal.
        message: the exception's text, secrets masked.
        traceback: as Python prints it, secrets masked, at most 64 KiB: cut in the middle.
        time_us: microseconds since 1970 UTC.
    """

    kind: Literal["exception", "signal"]
    type: str
    message: str
    traceback: str
    time_us: int


def describe(
    error: BaseException, trace: TracebackType | None, time_us: int, redact: Callable[[str], str] = str
) -> Failure:
    """Puts an exception, and those that led to it, into words. Never raises."""
    kind = type(error)
    try:
        message = str(error)
    except Exception as broken:
        message = f"<its text cannot be had: {broken!r}>"
    try:
        found = traceback.TracebackException(kind, error, trace, limit=None, compact=True)
        _shorten(found)
        text = "".join(found.format())
    except Exception as broken:
        text = f"{kind.__qualname__}: {message}\n<its traceback cannot be had: {type(broken).__name__}>\n"
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return Failure(
        kind="exception",
        type=f"{module}{kind.__qualname__}",
        message=redact(message)[:_MAX_MESSAGE_CHARS],
        traceback=cut_middle("".join(map(redact, text.splitlines(keepends=True)))),
        time_us=time_us,
    )


def cut_middle(text: str, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Leaves out the middle of a text that is too long: its beginning says where, its end what."""
    data = text.encode("utf-8", "replace")
    if len(data) <= max_bytes:
        return data.decode()
    mark = f"\n… [cut: {len(data) - max_bytes} bytes] …\n".encode()
    half = (max_bytes - len(mark)) // 2
    return b"".join((data[:half], mark, data[-half:])).decode("utf-8", "ignore")


class Watch:
    """Watches this process's end until ``stop``.

    Args:
        record: takes the failure, once, before Python prints it; on the thread that raised.
        signal_file: where faulthandler writes. None leaves signals alone.
        redact: takes secrets out of texts.
    """

    def __init__(
        self,
        record: Callable[[Failure], None],
        *,
        signal_file: Path | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._record = record
        self._redact = redact
        self._before: Any = sys.excepthook
        self._hook = self._on_exception
        sys.excepthook = self._hook
        self._file: Any = None
        self._watches_sigterm = False
        self._watches_crashes = False
        self._signal_file = signal_file
        if signal_file is not None:
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                self._watch_signals(signal_file)

    def stop(self) -> None:
        """Lets go; what others have hooked in since stays. Idempotent."""
        if sys.excepthook == self._hook:
            sys.excepthook = self._before
        self._let_go_of_signals()
        file, self._file = self._file, None
        if file is not None and self._signal_file is not None:
            is_empty = os.fstat(file.fileno()).st_size == 0
            file.close()
            if is_empty:
                self._signal_file.unlink(missing_ok=True)

    def _watch_signals(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        _watches.add(self)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            faulthandler.register(signal.SIGTERM, self._file, all_threads=True, chain=True)
            self._watches_sigterm = True
        if not faulthandler.is_enabled():
            faulthandler.enable(self._file, all_threads=True)
            self._watches_crashes = True

    def _let_go_of_signals(self) -> None:
        # A handler that the program has set since is in force, and unregistering would take it away.
        if self._watches_sigterm and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            faulthandler.unregister(signal.SIGTERM)
        if self._watches_crashes:
            faulthandler.disable()
        self._watches_sigterm = self._watches_crashes = False

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        with contextlib.suppress(Exception):  # the traceback must be printed whatever happens here (I4)
            if not issubclass(kind, SystemExit):
                self._record(describe(error, trace, time.time_ns() // 1000, self._redact))
        self._before(kind, error, trace)


def read_signal_record(path: Path, redact: Callable[[str], str] = str) -> Failure | None:
    """What faulthandler left in a file, of a process that has gone; None if nothing."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_TEXT_BYTES * 4).decode("utf-8", "replace")
            time_us = os.fstat(file.fileno()).st_mtime_ns // 1000
    except OSError:
        return None
    if not text.strip():
        return None
    first = text.split("\n", 1)[0]
    is_crash = first.startswith("Fatal Python error: ")
    return Failure(
        kind="signal",
        type=first.removeprefix("Fatal Python error: ") if is_crash else "SIGTERM",
        message=first if is_crash else "the process was asked to end",
        traceback=cut_middle("".join(map(redact, text.splitlines(keepends=True)))),
        time_us=time_us,
    )


def _shorten(found: traceback.TracebackException) -> None:
    """Leaves out the middle of very deep stacks, here and in the exceptions that led here."""
    seen: set[int] = set()
    next_one: traceback.TracebackException | None = found
    while next_one is not None and id(next_one) not in seen:
        seen.add(id(next_one))
        stack = next_one.stack
        if len(stack) > 2 * _FRAMES_AT_AN_END:
            del stack[_FRAMES_AT_AN_END:-_FRAMES_AT_AN_END]
        next_one = next_one.__cause__ or next_one.__context__


def _after_fork_in_child() -> None:
    """A worker that its parent ends by SIGTERM is no failure of the run's."""
    for watch in list(_watches):
        watch._let_go_of_signals()


_watches: weakref.WeakSet[Watch] = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork_in_child)
