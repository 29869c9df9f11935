"""A TCP proxy of our own: passes bytes, and breaks, holds, delays, reorders and repeats connections when told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from dataclasses import dataclass
from types import TracebackType

from support.link import Link

_RECORDINGS = 16
_REPLAY_PIECE_BYTES = 16384
_REPLAY_QUIET_S = 0.5


@dataclass
class _Overtaken:
    """A held connection, and what must come before it."""

    link: Link
    from_number: int
    answers: int

    def is_by(self, newer: Link) -> bool:
        return newer.number >= self.from_number and newer.answers >= self.answers


class Proxy:
    """Stands between clients and one address.

    Args:
        host: the server's host.
        port: the server's port.
        record_bytes: clients that sent at most so much are remembered, the last 16 of them, for ``replay``.
    """

    def __init__(self, host: str, port: int, *, record_bytes: int = 0) -> None:
        self._target = (host, port)
        self._record_bytes = record_bytes
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        self.cut = 0
        self._to_cut = 0
        self._lock = threading.Lock()  # guards the counts and lists below
        self._accepted = 0
        self._links: list[Link] = []
        self._recorded: deque[Link] = deque(maxlen=_RECORDINGS)
        self._overtaken: list[_Overtaken] = []
        self.delivered_late = 0
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def cut_answers(self, count: int) -> None:
        """Breaks the connection in place of the next ``count`` answers: the request arrives, its answer does not."""
        with self._lock:
            self._to_cut = count

    def break_all(self) -> None:
        """Breaks every open connection."""
        for link in self._open():
            link.drop(with_reset=False)

    def links(self) -> list[Link]:
        """The connections that connect both ends, oldest first."""
        return [link for link in self._open() if link.is_whole]

    def overtake(self, link: Link, *, answers: int = 1) -> bool:
        """Lets a newer connection go first: the client of a held one is told that it broke, so it comes back on a
        new connection, and what is held reaches the server only after so many answers to that one.

        Returns whether anything is held.
        """
        if not link.held_up_bytes:
            return False
        with self._lock:
            self._overtaken.append(_Overtaken(link, self._accepted, answers))
        link.lose_client()
        return True

    def deliver_overtaken(self) -> None:
        """Delivers what still waits to be overtaken."""
        with self._lock:
            late, self._overtaken = self._overtaken, []
            self.delivered_late += len(late)
        for each in late:
            each.link.release()

    def recordings(self) -> list[bytes]:
        """What some of the last clients sent, from their first byte."""
        with self._lock:
            return [bytes(link.sent) for link in self._recorded if link.sent]

    def replay(self, sent: bytes) -> None:
        """Sends what a client once sent, on a new connection, in the background: a stale stream."""
        threading.Thread(target=self._replay, args=(sent,), daemon=True).start()

    def __enter__(self) -> Proxy:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        self.break_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(
                self._accepted,
                client,
                server,
                record_bytes=self._record_bytes,
                on_answer=self._answered,
                takes_cut=self._takes_cut,
            )
            with self._lock:
                self._accepted += 1
                self._links.append(link)
                self._recorded.append(link)
            link.start()

    def _answered(self, newer: Link) -> None:
        """Delivers what a newer connection has overtaken."""
        if not self._overtaken:
            return
        with self._lock:
            late = [each for each in self._overtaken if each.is_by(newer)]
            self._overtaken = [each for each in self._overtaken if each not in late]
            self.delivered_late += len(late)
        for each in late:
            each.link.release()

    def _open(self) -> list[Link]:
        with self._lock:
            self._links = [link for link in self._links if not link.is_over]
            return list(self._links)

    def _takes_cut(self) -> bool:
        with self._lock:
            if not self._to_cut:
                return False
            self._to_cut -= 1
            self.cut += 1
            return True

    def _replay(self, sent: bytes) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self._target, timeout=5) as server:
            server.settimeout(_REPLAY_QUIET_S)
            for start in range(0, len(sent), _REPLAY_PIECE_BYTES):
                server.sendall(sent[start : start + _REPLAY_PIECE_BYTES])
            while server.recv(65536):
                pass  # until it says no more
