"""Console output of this process and its children, line by line.

    stop = start(emit)            emit takes lines: ``(number, stream, time_us, text)``; a later line of the same
    stop()                        number replaces the earlier one

Descriptors 1 and 2 are replaced by channels that a pump, a process of its own, empties (``pump.py`` says why a
process). So native code and child processes are heard as well, nothing printed waits for this process's
interpreter lock, and a dying process's last words are kept. In a notebook ``sys.stdout`` is tapped instead.

Whatever goes wrong here costs lines, never output: if the pump cannot start, nothing is replaced; if it dies,
the descriptors are put back and what stands in the channels is passed on from here.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from runstream.capture.channel import Channel, open_channels
from runstream.capture.descriptors import Owned, off_standard
from runstream.capture.line import ACK, FLUSH, FLUSHED, FRAME, GOODBYE, ORDER, STREAMS, Line

Emit = Callable[[Sequence[Line]], None]
STOP_TIMEOUT_S = 2.0
_READ_BYTES = 64 << 10
_PUMP = "import sys; sys.path.append(sys.argv[1]); from runstream.capture.pump import main; main()"


class _Source(Protocol):
    def flush(self, timeout_s: float) -> None: ...

    def stop(self, timeout_s: float) -> None: ...

    def abandon(self) -> None: ...


class Capture:
    """One listener of the console. Several runs of a process share one capture and number lines each from 0.

    Attributes:
        trouble: what went wrong last, for people; empty if nothing did.
    """

    def __init__(self, emit: Emit, first_number: int) -> None:
        self.trouble = ""
        self._emit = emit
        self._first_number = first_number

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Hands over what was printed so far and, for the last listener, puts everything back. Idempotent.

        Takes longer than a few milliseconds only while the console itself takes no output, and then at most
        ``timeout_s``.
        """
        _console.remove(self, timeout_s)

    def _take(self, lines: Sequence[Line]) -> None:
        mine = [
            line._replace(number=line.number - self._first_number)
            for line in lines
            if line.number >= self._first_number
        ]
        try:
            if mine:
                self._emit(mine)
        except Exception as error:  # a listener's trouble is its own (I4)
            self.trouble = f"{len(mine)} lines of the console are lost: {error!r}"


def start(emit: Emit, *, last_words: Path | None = None, redact: bool = True) -> Capture | None:
    """Captures stdout and stderr from here on.

    Args:
        emit: takes lines in order, on a thread of its own; may be slow, and may print.
        last_words: where lines are left that a killed process did not take over; ``read_last_words`` reads them.
        redact: whether secrets are taken out of the lines. What is printed stays as it is.

    Returns:
        The listener, or None where nothing can be captured.
    """
    return _console.add(emit, last_words, redact)


def read_last_words(path: Path) -> list[Line]:
    """Lines that a killed process left behind; those with a number known already replace it.

    While ``path`` with ``.building`` at its end exists, they may still come: for two seconds after the end of
    the process, not longer.
    """
    with contextlib.suppress(FileNotFoundError):
        return [Line(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    return []


class _Console:
    """All listeners of this process and what they listen to."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._listeners: list[Capture] = []
        self._source: _Source | None = None
        self._next_number = 0

    def add(self, emit: Emit, last_words: Path | None, redact: bool) -> Capture | None:
        with self._lock:
            if self._source is None:
                self._next_number = 0
                self._source = _open_source(self._take, last_words, redact)
                if self._source is None:
                    return None
            listener = Capture(emit, self._next_number)
            self._listeners.append(listener)
            return listener

    def remove(self, listener: Capture, timeout_s: float) -> None:
        with self._lock:
            if listener not in self._listeners or self._source is None:
                return
            source = self._source
            is_last = len(self._listeners) == 1
            if is_last:
                self._source = None
        # Not under the lock: lines come in while we wait.
        (source.stop if is_last else source.flush)(timeout_s)
        with self._lock:
            self._listeners.remove(listener)

    def after_fork_in_child(self) -> None:
        """The child's output goes on through the parent's channels; everything else is the parent's."""
        self._lock = threading.RLock()
        self._listeners = []
        source, self._source = self._source, None
        if source is not None:
            source.abandon()

    def _take(self, lines: Sequence[Line]) -> None:
        self._next_number = max(self._next_number, max(line.number for line in lines) + 1)
        for listener in list(self._listeners):
            listener._take(lines)


def _open_source(emit: Emit, last_words: Path | None, redact: bool) -> _Source | None:
    if needs_tap(sys.stdout, 1) or needs_tap(sys.stderr, 2):
        from runstream.capture.redact import LineRedactor, Redactor  # else the pump does that: 10 ms of start-up
        from runstream.capture.tap import WriteTap

        return WriteTap(emit, LineRedactor(Redactor(os.environ) if redact else None))
    try:
        return PumpedOutput(emit, last_words, redact)
    except (OSError, ValueError):
        return None


class PumpedOutput:
    """Descriptors 1 and 2 behind a pump.

    Raises:
        OSError: the pump cannot be started; nothing is changed.
    """

    def __init__(self, emit: Emit, last_words: Path | None, redact: bool) -> None:
        self._emit = emit
        self._flushed = threading.Condition()
        self._flushes_asked = 0
        self._flushes_done = 0
        self._acked = 0
        self._is_stopping = False
        self._channels = open_channels((1, 2))
        if not self._channels:
            raise OSError("stdout and stderr are closed")
        self._lines_fd, lines_end = map(off_standard, os.pipe())
        # A socket can be written to without SIGPIPE, whose default some programs restore: it would kill them.
        self._control, control_end = (socket.socket(fileno=off_standard(end.detach())) for end in socket.socketpair())
        self._owned = Owned(self._lines_fd, self._control.fileno())
        try:
            _flush_streams()
            self._process = _start_pump(self._channels, lines_end, control_end.fileno(), last_words, redact)
        except BaseException:
            self._close()
            raise
        finally:
            os.close(lines_end)
            control_end.close()
        for channel in self._channels:
            channel.replace()
        self._thread = threading.Thread(target=self._hear, name="runstream-console", daemon=True)
        self._thread.start()

    def flush(self, timeout_s: float) -> None:
        """Waits until all that was printed so far has been emitted."""
        _flush_streams()
        if threading.current_thread() is self._thread:
            return
        with self._flushed:
            self._flushes_asked += 1
            wanted = self._flushes_asked
            self._order(FLUSH, wanted)
            self._flushed.wait_for(lambda: self._flushes_done >= wanted, timeout_s)

    def stop(self, timeout_s: float) -> None:
        """Puts the descriptors back, in between output that was printed before and after."""
        end = time.monotonic() + timeout_s
        self.flush(timeout_s / 2)
        self._is_stopping = True
        for channel in self._channels:
            channel.restore()
        self.flush(max(0.0, end - time.monotonic()))  # what other threads printed meanwhile
        self._order(GOODBYE, 0)
        self._close_control()
        if threading.current_thread() is not self._thread:
            self._thread.join(max(0.0, end - time.monotonic()))

    def abandon(self) -> None:
        """In a forked child: lets go of everything but the descriptors themselves."""
        self._close()

    def _order(self, operation: bytes, number: int) -> None:
        with contextlib.suppress(OSError):
            if self._owned.has(self._control.fileno()):
                self._control.send(ORDER.pack(operation, number), socket.MSG_NOSIGNAL)

    def _hear(self) -> None:
        self._process.wait()  # it has left a child of init's behind: the pump
        heard = b""
        with contextlib.suppress(OSError):
            while data := os.read(self._lines_fd, _READ_BYTES):
                heard = self._take(heard + data)
        if not self._is_stopping:
            with contextlib.suppress(OSError):  # a program that made itself a daemon closed what we hold
                self._take_over()
        with self._flushed:
            self._flushes_done = sys.maxsize
            self._flushed.notify_all()
        self._close()

    def _take(self, heard: bytes) -> bytes:
        at = 0
        lines: list[Line] = []
        while at + FRAME.size <= len(heard):
            kind, number, time_us, size = FRAME.unpack_from(heard, at)
            if at + FRAME.size + size > len(heard):
                break
            at += FRAME.size
            if kind == FLUSHED:
                self._hand_over(lines)
                lines = []
                with self._flushed:
                    self._flushes_done = max(self._flushes_done, number)
                    self._flushed.notify_all()
            else:
                lines.append(Line(number, STREAMS[kind], time_us, heard[at : at + size].decode("utf-8", "replace")))
            at += size
        self._hand_over(lines)
        return heard[at:]

    def _hand_over(self, lines: list[Line]) -> None:
        if lines:
            self._emit(lines)
            self._acked += len(lines)
            self._order(ACK, self._acked)

    def _take_over(self) -> None:
        """The pump is dead: puts the descriptors back and passes on what it left, and what children still print."""
        waiting: dict[int, Channel] = {}
        readable = select.poll()
        for channel in self._channels:
            channel.restore()
            if channel.is_whole():
                waiting[channel.read_fd] = channel
                readable.register(channel.read_fd, select.POLLIN)
        while waiting:
            for fd, _ in readable.poll():
                try:
                    data = os.read(fd, _READ_BYTES)
                except OSError:
                    data = b""
                if not data:
                    readable.unregister(fd)
                    del waiting[fd]
                while data:
                    try:
                        data = data[os.write(waiting[fd].original_fd, data) :]
                    except OSError:
                        break

    def _close(self) -> None:
        for channel in self._channels:
            channel.close()
        self._close_control()
        self._owned.close(self._lines_fd)

    def _close_control(self) -> None:
        self._owned.close(self._control.detach())


def _start_pump(
    channels: list[Channel], lines_fd: int, control_fd: int, last_words: Path | None, redact: bool
) -> subprocess.Popen[bytes]:
    order = [
        str(lines_fd),
        str(control_fd),
        str(last_words.absolute()) if last_words else "",
        "redact" if redact else "",
    ]
    order += [f"{at.read_fd}:{at.original_fd}:{at.stream}:{'tty' if at.is_tty else ''}" for at in channels]
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _PUMP, root, *order],  # -I -S: nobody's modules, 10 ms less
        pass_fds=[lines_fd, control_fd, *(fd for at in channels for fd in (at.read_fd, at.original_fd))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, None, or somebody's own class
            stream.flush()


def needs_tap(stream: object, fd: int) -> bool:
    """Whether what is written to a stream of ``sys`` is console output that never reaches its descriptor.

    A stream that hands on to the descriptor, such as a logger that keeps a copy, does not: it would be
    captured twice. A StringIO or an open file does not either: somebody redirects output on purpose.
    """
    if stream is None or type(stream) in (io.StringIO, io.TextIOWrapper) or not hasattr(stream, "write"):
        return False
    return not _reaches(stream, fd, depth=3)


def _reaches(stream: object, fd: int, depth: int) -> bool:
    try:
        if stream.fileno() == fd:  # type: ignore[attr-defined]
            return True
    except Exception:  # whatever somebody's class does
        pass
    if depth == 0:
        return False
    held = list(getattr(stream, "__dict__", {}).values())
    return any(_reaches(value, fd, depth - 1) for value in held if hasattr(value, "write"))


_console = _Console()
os.register_at_fork(after_in_child=lambda: _console.after_fork_in_child())
