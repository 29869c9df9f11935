"""How runs end when nobody calls ``finish``: the process ends, fails, is told to go, or forks.

Owns what is hooked into the interpreter, once, when the first run opens: ``atexit``, ``sys.excepthook`` and
``sys.exit`` for the exit code and the traceback, SIGTERM where nobody else handles it, and fork. Each calls what
was there before.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any, NoReturn, Protocol

SIGTERM_EXIT_CODE = 128 + signal.SIGTERM


class Endable(Protocol):
    """What this file needs of a run."""

    def end(self, exit_code: int, failure: Mapping[str, str] | None) -> None:
        """Writes down how the run ended; waits for nothing."""

    def end_in_signal(self, exit_code: int) -> None:
        """The same from a signal handler, where a lock may never be released."""

    def settle(self, *, waits: bool) -> None:
        """Waits for the receipt, and says how it went."""

    def after_fork(self) -> None:
        """In a forked child: the run is the parent's."""


_active: weakref.WeakSet[Any] = weakref.WeakSet()
_exit_code = 0
_failure: Mapping[str, str] | None = None
_is_installed = False


def watch(run: Endable) -> None:
    """Takes a run that is to be ended with the process."""
    _active.add(run)
    _install()
    _watch_end_of_child()


def forget(run: Endable) -> None:
    """The run has ended."""
    _active.discard(run)


def active_runs() -> list[Any]:
    """Runs of this process that have not ended, in no order."""
    return list(_active)


def exit_code_of(error: BaseException | None) -> int:
    """The exit code of a process that this error ends; 0 without one."""
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1


def describe_failure(error: BaseException | None, trace: TracebackType | None = None) -> dict[str, str] | None:
    """What a run's last record says of the exception that ended it: type, message, traceback; secrets are masked.

    SystemExit is no failure. Never raises.
    """
    if error is None or isinstance(error, SystemExit):
        return None
    from runstream.capture.exceptions import describe  # only now: 15 ms that most runs need not spend
    from runstream.capture.redact import Redactor

    found = describe(error, trace or error.__traceback__, time.time_ns() // 1000, Redactor(os.environ).text)
    return {"type": found.type, "message": found.message, "traceback": found.traceback}


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook, where cells fail without the process failing."""
    shell = sys.modules.get("IPython")
    try:
        return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"
    except AttributeError:
        return False


def _install() -> None:
    global _is_installed
    if not _is_installed:
        _is_installed = True
        atexit.register(_end_all)
        os.register_at_fork(after_in_child=_after_fork)
        _watch_errors()
    _watch_sigterm()


def _watch_end_of_child() -> None:
    """Children of ``multiprocessing`` leave by ``os._exit``, after finalizers of its own and without ``atexit``."""
    processes, finalizers = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if processes is not None and finalizers is not None and processes.parent_process() is not None:
        finalizers.Finalize(None, _end_child, exitpriority=0)


def _end_child() -> None:
    """Nobody waits at the end of a child."""
    for run in list(_active):
        run.end(_exit_code, _failure)


def _end_all() -> None:
    """First all runs' last words, so that their forwarders send at the same time; then the waiting."""
    global _exit_code, _failure
    error = getattr(sys, "last_value", None)  # set for uncaught exceptions, even if our hook was replaced
    if not _exit_code and error is not None and not in_notebook():
        _exit_code, _failure = exit_code_of(error), describe_failure(error)
    runs = list(_active)
    for run in runs:
        run.end(_exit_code, _failure)
    for run in runs:
        # A kernel has a few seconds to go, and its user is not there to read the receipt.
        run.settle(waits=not in_notebook())


def _watch_errors() -> None:
    hook_before, exit_before = sys.excepthook, sys.exit

    def note_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        global _exit_code, _failure
        if not in_notebook():
            _exit_code, _failure = exit_code_of(error), describe_failure(error, trace)
        hook_before(kind, error, trace)

    def note_exit(status: Any = None, /) -> NoReturn:
        global _exit_code
        if threading.current_thread() is threading.main_thread():
            _exit_code = exit_code_of(SystemExit(status))
        exit_before(status)

    sys.excepthook = note_error
    sys.exit = note_exit


def _watch_sigterm() -> None:
    """Installs the handler if nobody handles SIGTERM; only the main thread may."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    """Writes the end of every run to its spool, then dies of the signal as the process would have without us.

    Whoever took SIGTERM after us and calls us among others means to go on: then there is nothing to do.
    """
    if signal.getsignal(signal.SIGTERM) is not _on_sigterm:
        return
    for run in list(_active):
        run.end_in_signal(SIGTERM_EXIT_CODE)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def _after_fork() -> None:
    global _exit_code, _failure
    _exit_code, _failure = 0, None
    runs = list(_active)
    _active.clear()
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # multiprocessing ends its children with it
    for run in runs:
        run.after_fork()
