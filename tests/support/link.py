"""One connection through the proxy: two pumps, and the faults that can be put on them.

    client ══► pump up   ── gate ── piece by piece ── cut ──► server
           ◄── pump down ── gate ── piece by piece ── cut ══►

Faults are set from any thread and hold for bytes from then on. A pump goes on reading while the gate is shut, so the
kernels of both ends believe that all is well: that is a half-open connection.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_READ_BYTES = 65536
# What a shut gate keeps; a sender of more is held back by TCP.
_HELD_BYTES = 8 << 20
_RESET = struct.pack("ii", 1, 0)


@dataclass
class _Cut:
    is_up: bool
    after_bytes: int
    with_reset: bool


class Link:
    """One client's connection to the server.

    Args:
        number: how many connections there were before it.
        client: the client's socket.
        server: a socket to the server.
        record_bytes: a client that sent at most so much can be repeated by ``sent``.
        on_answer: called when an answer reached the client.
        takes_cut: asked for each answer; true breaks the connection in place of the answer.
    """

    def __init__(
        self,
        number: int,
        client: socket.socket,
        server: socket.socket,
        *,
        record_bytes: int,
        on_answer: Callable[[Link], None],
        takes_cut: Callable[[], bool],
    ) -> None:
        self.number = number
        self._client, self._server = client, server
        self._record_bytes = record_bytes
        self._on_answer = on_answer
        self._takes_cut = takes_cut
        self._closing = threading.Lock()
        self._gate = threading.Event()
        self._gate.set()
        self._cut: _Cut | None = None
        self._slow_until = 0.0
        self._piece_bytes = _READ_BYTES
        self._survivor: socket.socket | None = None
        self.is_over = False
        self.held_up_bytes = 0
        self.answers = 0
        self.sent = bytearray()
        """What the client sent, from its first byte, as long as it is at most ``record_bytes``."""

    @property
    def is_whole(self) -> bool:
        """Whether it still connects both ends."""
        return not self.is_over and self._survivor is None

    def start(self) -> None:
        """Begins to pass bytes."""
        for source, sink, is_up in ((self._client, self._server, True), (self._server, self._client, False)):
            threading.Thread(target=self._pump, args=(source, sink, is_up), daemon=True).start()

    def cut(self, *, is_up: bool, after_bytes: int, with_reset: bool) -> None:
        """Breaks the connection after so many more bytes of one direction, by RST or by FIN."""
        self._cut = _Cut(is_up, after_bytes, with_reset)

    def slow(self, *, piece_bytes: int, for_s: float) -> None:
        """Passes small pieces with a pause after each, for a while."""
        self._piece_bytes, self._slow_until = piece_bytes, time.monotonic() + for_s

    def hold(self) -> None:
        """Passes nothing, though it reads, until ``release``."""
        self._gate.clear()

    def release(self) -> None:
        """Passes what was held, and goes on."""
        self._gate.set()

    def lose_server(self) -> None:
        """The server is told that the client broke; the client is told nothing, and hears nothing any more."""
        self._survivor = self._client
        self._reset(self._server)

    def lose_client(self) -> None:
        """The client is told that the server broke; the server is told nothing. What is held can still reach it."""
        self._survivor = self._server
        self._reset(self._client)

    def drop(self, *, with_reset: bool = True) -> None:
        """Ends it on both sides; what is held is lost."""
        self.is_over = True
        for each in (self._client, self._server):
            self._reset(each) if with_reset else self._end(each)
        self._gate.set()

    def _pump(self, source: socket.socket, sink: socket.socket, is_up: bool) -> None:
        with contextlib.suppress(OSError, ValueError):  # a socket that was closed meanwhile
            while data := source.recv(_READ_BYTES):
                if not self._gate.is_set():
                    data = self._held(source, data, is_up)
                if is_up and self._record_bytes:
                    self._record(data)
                if self.is_over or not self._pass_or_lose(source, sink, data, is_up):
                    break
        for each in (source, sink):
            if each is not self._survivor or each is source:
                self._end(each)
        self.is_over = self.is_over or self._survivor in (None, source)

    def _held(self, source: socket.socket, data: bytes, is_up: bool) -> bytes:
        """Reads on until the gate opens and returns all that came."""
        held = bytearray(data)
        with contextlib.suppress(OSError, ValueError):  # whoever sent it has gone; what is held may still pass
            while not self._gate.is_set() and len(held) < _HELD_BYTES:
                self.held_up_bytes = len(held) if is_up else self.held_up_bytes
                if select.select([source], [], [], 0.02)[0]:
                    more = source.recv(_READ_BYTES)
                    if not more:
                        break
                    held += more
        self._gate.wait()
        return bytes(held)

    def _pass_or_lose(self, source: socket.socket, sink: socket.socket, data: bytes, is_up: bool) -> bool:
        """Passes bytes on, or loses them if nobody is at the other side; false if the connection ends here."""
        try:
            return source is self._survivor or self._pass(sink, data, is_up)
        except OSError:
            return source is self._survivor

    def _pass(self, sink: socket.socket, data: bytes, is_up: bool) -> bool:
        if not is_up and self._takes_cut():
            return False
        cut = self._cut
        if cut is not None and cut.is_up == is_up:
            if len(data) > cut.after_bytes:
                self._send(sink, data[: cut.after_bytes])
                if cut.with_reset:
                    self.drop()
                return False
            cut.after_bytes -= len(data)
        self._send(sink, data)
        if not is_up:
            self.answers += 1
            self._on_answer(self)
        return True

    def _send(self, sink: socket.socket, data: bytes) -> None:
        start = 0
        while time.monotonic() < self._slow_until and start < len(data):
            sink.sendall(data[start : start + self._piece_bytes])
            start += self._piece_bytes
            time.sleep(0.005)
        sink.sendall(data[start:])

    def _record(self, data: bytes) -> None:
        if len(self.sent) + len(data) > self._record_bytes:
            self._record_bytes = 0  # no longer whole, so of no use
            self.sent.clear()
            return
        self.sent += data

    def _end(self, each: socket.socket) -> None:
        """Closes by FIN, what is not closed."""
        with self._closing, contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()

    def _reset(self, each: socket.socket) -> None:
        """Closes by RST. A pump that reads keeps a socket open, so it is woken first, without a FIN."""
        with self._closing:  # a woken pump must not say FIN before the RST
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                each.shutdown(socket.SHUT_RD)
            each.close()
