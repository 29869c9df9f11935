"""The pump: a process of its own between a training process's stdout and stderr and where they went before.

    fd 1, fd 2 ──► pipe or pty ──► read ─► write ──► where they went before          a thread each
                                     └───► backlog ─► assembler ─► redact ─► lines ──► training process
                                           bounded                             ▲           │
                                                                               └── acks ───┘

A process and not a thread, because a thread needs the training process's interpreter lock: native code that
prints more than a pipe holds while it has the lock would wait for ever, and what a dying process says last
would be lost with it. This one passes on every byte until nobody can write any more. What the training process
did not take over before it died is left in a file, the last words, for the forwarder.

Lines travel as frames, and so does the other way: an operation and a number.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from runstream.capture.backlog import Backlog, Piece
from runstream.capture.descriptors import copy_window_size
from runstream.capture.line import ACK, FLUSH, FLUSHED, FRAME, GOODBYE, ORDER, STREAMS, Line, Stream
from runstream.capture.lines import Assembler
from runstream.capture.redact import LineRedactor, Redactor

Described = tuple[int, int, Stream, bool]

_READ_BYTES = 64 << 10
_TURN_BYTES = 64 << 10
_MAX_UNACKED_LINES = 20_000
_SHORTEST_REST_S = 0.05
_REST_FACTOR = 4  # lines cost at most a fifth of a core, whatever is printed; the rest waits in the backlog
_WINDOW_SIZE_EVERY_S = 0.5
_LAST_WORDS_WAIT_S = 1.0


class Source:
    """One pipe or pty: passes on what comes in until nobody can write to it any more."""

    def __init__(self, read_fd: int, write_fd: int, stream: Stream, is_tty: bool, put: Callable[[Piece], None]) -> None:
        self.is_busy = False
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._stream = stream
        self._is_tty = is_tty
        self._put = put
        self._is_broken = False
        self._size_seen_s = 0.0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def is_idle(self) -> bool:
        """Whether all that was written so far has gone its way."""
        if not self.thread.is_alive():
            return True
        # In this order: the thread is busy from before it takes bytes out until they have gone on.
        waiting = struct.unpack("i", fcntl.ioctl(self._read_fd, termios.FIONREAD, b"\0\0\0\0"))[0]
        return waiting == 0 and not self.is_busy

    def _run(self) -> None:
        try:
            self._pump()
        except BaseException:
            os._exit(1)  # nobody would empty the channel; the training process notices, and takes it away

    def _pump(self) -> None:
        readable = select.poll()
        readable.register(self._read_fd, select.POLLIN)
        while True:
            readable.poll()
            self.is_busy = True
            try:
                data = os.read(self._read_fd, _READ_BYTES)
            except OSError:  # a pty that nobody holds open any more
                data = b""
            if not data:
                self.is_busy = False
                return
            time_us = time.time_ns() // 1000
            if self._is_tty:
                self._follow_window_size()
            self._pass_on(data)
            self._put(Piece(self._stream, data, time_us))
            self.is_busy = False

    def _pass_on(self, data: bytes) -> None:
        """Writes everything. Where that is impossible, the program must not notice: it goes on without (I4)."""
        view = memoryview(data)
        while view and not self._is_broken:
            try:
                view = view[os.write(self._write_fd, view) :]
            except BlockingIOError:  # somebody shares it and wants it so
                writable = select.poll()
                writable.register(self._write_fd, select.POLLOUT)
                writable.poll()
            except OSError as error:
                self._is_broken = error.errno == errno.EPIPE
                return  # a full disk may have room again for the next ones

    def _follow_window_size(self) -> None:
        now = time.monotonic()
        if now - self._size_seen_s > _WINDOW_SIZE_EVERY_S:
            self._size_seen_s = now
            copy_window_size(self._write_fd, self._read_fd)


class Pump:
    """All sources of one training process, and its lines.

    Args:
        lines_fd: where lines go.
        control_fd: where the training process is heard.
        last_words: path of the file for them, or an empty text.
        redact: whether secrets are masked.
        sources: read and write descriptor, stream, and whether it is a pty.
    """

    def __init__(
        self, lines_fd: int, control_fd: int, last_words: str, redact: bool, sources: Sequence[Described]
    ) -> None:
        self._lines_fd = lines_fd
        self._control_fd = control_fd
        self._last_words = last_words
        self._redact = LineRedactor(Redactor(os.environ) if redact else None)
        self._changed = threading.Condition()  # guards the backlog and what follows
        self._backlog = Backlog()
        self._flush_wanted: int | None = None
        self._is_alone = False
        self._is_goodbye = False
        self._acked = 0
        self._sent = 0
        self._unacked: deque[Line] = deque()
        self._assembler = Assembler()
        self._sources = [
            Source(read_fd, write_fd, stream, is_tty, self._put) for read_fd, write_fd, stream, is_tty in sources
        ]

    def run(self) -> None:
        """Works until every source is at its end."""
        for source in self._sources:
            source.thread.start()
        threading.Thread(target=self._listen, daemon=True).start()
        building = f"{self._last_words}.building" if self._last_words else ""
        with contextlib.suppress(OSError):
            if building:
                os.close(os.open(building, os.O_CREAT | os.O_WRONLY, 0o600))  # says that last words may come
        os.set_blocking(self._lines_fd, False)
        while not self._is_alone:
            try:
                self._turn()
            except Exception:  # a line that cannot be made costs its neighbours, not the rest
                self._assembler = Assembler(self._assembler.next_number)
        with contextlib.suppress(OSError):
            if building and (words := self._words()):
                self._leave(words, building)
            elif building:
                os.unlink(building)
        self._is_goodbye = True  # children may print on; nobody makes lines of it any more
        os.close(self._lines_fd)
        for source in self._sources:
            source.thread.join()

    def _leave(self, words: list[Line], building: str) -> None:
        import json  # only for the dead

        with open(building, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line._asdict()) + "\n" for line in words)
        os.rename(building, self._last_words)

    def _put(self, piece: Piece) -> None:
        if self._is_alone and self._is_goodbye:
            return
        with self._changed:
            was_empty = not self._backlog
            self._backlog.put(piece)
            if was_empty:
                self._changed.notify_all()

    def _listen(self) -> None:
        """Hears the training process until it is gone."""
        heard = b""
        while data := os.read(self._control_fd, 4096):
            heard += data
            whole = len(heard) - len(heard) % ORDER.size
            with self._changed:
                for operation, number in ORDER.iter_unpack(heard[:whole]):
                    if operation == ACK:
                        self._acked = max(self._acked, number)
                    elif operation == FLUSH:
                        self._flush_wanted = number
                    elif operation == GOODBYE:
                        self._is_goodbye = True
                self._changed.notify_all()
            heard = heard[whole:]
        with self._changed:
            self._is_alone = True
            self._changed.notify_all()

    def _turn(self) -> None:
        with self._changed:
            due_us = self._assembler.next_due_us()
            timeout = None if due_us is None else max(0.0, due_us / 1e6 - time.time())
            self._changed.wait_for(self._has_work, timeout)
            batch = self._backlog.take(_TURN_BYTES)
        started = time.monotonic()
        batch.feed(self._assembler, time.time_ns() // 1000)
        self._send(self._assembler.take(time.time_ns() // 1000))
        if self._flush_wanted is not None:
            self._try_flush()
            return
        rest = max(_SHORTEST_REST_S, (time.monotonic() - started) * _REST_FACTOR)
        with self._changed:
            self._changed.wait_for(lambda: self._is_alone or self._flush_wanted is not None, rest)

    def _has_work(self) -> bool:
        return bool(self._backlog) or self._is_alone or self._flush_wanted is not None

    def _is_quiet(self) -> bool:
        return self._are_sources_idle() and not self._backlog

    def _are_sources_idle(self) -> bool:
        return all(source.is_idle() for source in self._sources)

    def _try_flush(self) -> None:
        """Answers a flush once everything written before it has become lines."""
        if self._backlog or not self._is_quiet():
            time.sleep(0.001)
            return
        time.sleep(0.002)  # a pty hands bytes over through a queue of the kernel's that nobody can ask about
        if self._is_quiet():
            number, self._flush_wanted = self._flush_wanted, None
            self._send(self._assembler.flush(time.time_ns() // 1000))
            self._write(FRAME.pack(FLUSHED, number or 0, 0, 0))

    def _send(self, lines: list[Line]) -> None:
        frames = bytearray()
        for raw in lines:
            line = raw._replace(text=self._redact(raw.stream, raw.text))
            text = line.text.encode("utf-8", "replace")
            frames += FRAME.pack(STREAMS.index(line.stream), line.number, line.time_us, len(text)) + text
            self._unacked.append(line)
            self._sent += 1
        if frames:
            self._write(frames)
        with self._changed:
            while self._unacked and (
                self._sent - len(self._unacked) < self._acked or len(self._unacked) > _MAX_UNACKED_LINES
            ):
                self._unacked.popleft()

    def _write(self, data: bytes | bytearray) -> None:
        """Hands frames over, as long as there is somebody to take them."""
        view = memoryview(data)
        writable = select.poll()
        writable.register(self._lines_fd, select.POLLOUT)
        while view and not self._is_alone:
            try:
                view = view[os.write(self._lines_fd, view) :]
            except BlockingIOError:
                writable.poll(200)
            except OSError:
                return

    def _words(self) -> list[Line]:
        """What the training process has said and not taken over."""
        if self._is_goodbye:
            return []
        deadline = time.monotonic() + _LAST_WORDS_WAIT_S
        while time.monotonic() < deadline and not self._are_sources_idle():
            time.sleep(0.01)
        with self._changed:
            batch = self._backlog.take(sys.maxsize)
            while self._unacked and self._sent - len(self._unacked) < self._acked:
                self._unacked.popleft()
        now_us = time.time_ns() // 1000
        batch.feed(self._assembler, now_us)
        new = [line._replace(text=self._redact(line.stream, line.text)) for line in self._assembler.close(now_us)]
        return [*self._unacked, *new]


def main() -> None:
    """Leaves its starter, then pumps."""
    # No child of the training process: its os.wait() must not find us, and we leave no zombie.
    if os.fork():
        os._exit(0)
    # Ctrl-C and scancel mean the training process; what it says about them is still to be passed on.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    sys.setswitchinterval(0.0005)  # passing on goes before making lines
    lines_fd, control_fd, last_words, redact, *described = sys.argv[2:]
    sources: list[Described] = []
    for text in described:
        read_fd, write_fd, stream, tty = text.split(":")
        sources.append((int(read_fd), int(write_fd), "stderr" if stream == "stderr" else "stdout", bool(tty)))
    Pump(int(lines_fd), int(control_fd), last_words, bool(redact), sources).run()
    os._exit(0)
