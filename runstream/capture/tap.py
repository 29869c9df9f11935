"""Captures what Python writes where stdout is no file descriptor: notebooks, whose kernel sends it elsewhere.

``sys.stdout.write`` is wrapped. Output of native code and of child processes passes by.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from runstream.capture.backlog import Backlog, Piece
from runstream.capture.line import Line, Stream
from runstream.capture.lines import Assembler

_REST_S = 0.1
_TURN_BYTES = 64 << 10


class WriteTap:
    """Both streams of ``sys``, wrapped.

    Args:
        emit: takes lines, on a thread of the tap's own.
        redact: takes secrets out of a stream's next line.
    """

    def __init__(self, emit: Callable[[Sequence[Line]], None], redact: Callable[[str, str], str]) -> None:
        self._emit = emit
        self._redact = redact
        self._backlog = Backlog()
        self._assembler = Assembler()
        self._changed = threading.Condition(threading.RLock())  # a signal's handler may print, too
        self._is_stopping = False
        self._unwrap = [unwrap for unwrap in (self._wrap("stdout"), self._wrap("stderr")) if unwrap]
        self._thread = threading.Thread(target=self._run, name="runstream-console", daemon=True)
        self._thread.start()

    def flush(self, timeout_s: float) -> None:
        """Makes lines of everything written so far."""
        end = time.monotonic() + timeout_s
        while self._backlog and time.monotonic() < end:
            time.sleep(0.01)

    def stop(self, timeout_s: float) -> None:
        """Unwraps the streams and hands over what is left."""
        for unwrap in self._unwrap:
            unwrap()
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def abandon(self) -> None:
        """In a forked child: lets go."""
        for unwrap in self._unwrap:
            unwrap()

    def _wrap(self, name: Stream) -> Callable[[], None] | None:
        target: Any = getattr(sys, name)
        original = getattr(target, "write", None)
        if original is None:
            return None

        def write(text: str) -> Any:
            written = original(text)
            if isinstance(text, str) and text:
                self._put(name, text)
            return written

        def unwrap() -> None:
            if getattr(target, "__dict__", {}).get("write") is write:
                del target.write

        try:
            target.write = write
        except (AttributeError, TypeError):
            return None
        return unwrap

    def _put(self, name: Stream, text: str) -> None:
        piece = Piece(name, text.encode("utf-8", "replace"), time.time_ns() // 1000)
        with self._changed:
            self._backlog.put(piece)
            self._changed.notify_all()

    def _run(self) -> None:
        while not (self._is_stopping and not self._backlog):
            with self._changed:
                due_us = self._assembler.next_due_us()
                timeout = None if due_us is None else max(0.0, due_us / 1e6 - time.time())
                self._changed.wait_for(lambda: bool(self._backlog) or self._is_stopping, timeout)
                batch = self._backlog.take(_TURN_BYTES)
            now_us = time.time_ns() // 1000
            batch.feed(self._assembler, now_us)
            self._hand_over(self._assembler.take(now_us))
            with self._changed:
                self._changed.wait_for(lambda: self._is_stopping, _REST_S)
        self._hand_over(self._assembler.close(time.time_ns() // 1000))

    def _hand_over(self, lines: list[Line]) -> None:
        if lines:
            self._emit([line._replace(text=self._redact(line.stream, line.text)) for line in lines])
