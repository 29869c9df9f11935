"""The proxy does to connections what it says: each fault, as both ends see it."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator

import pytest
from support.link import Link
from support.processes import wait_until
from support.proxy import Proxy


class Server:
    """Answers each piece of bytes with the same bytes, and keeps all it heard, by connection and in order."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.heard: queue.Queue[tuple[int, bytes]] = queue.Queue()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self) -> None:
        for number in range(100):
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(number, peer), daemon=True).start()

    def _serve(self, number: int, peer: socket.socket) -> None:
        with peer:
            try:
                while data := peer.recv(65536):
                    self.heard.put((number, data))
                    peer.sendall(data)
                self.heard.put((number, b""))
            except OSError:
                self.heard.put((number, b"reset"))

    def hears(self) -> tuple[int, bytes]:
        return self.heard.get(timeout=10)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.listener.shutdown(socket.SHUT_RDWR)
    made.listener.close()
    made.thread.join()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", server.listener.getsockname()[1], record_bytes=100) as made:
        yield made


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as made:
        made.sendall(b"hello")
        assert made.recv(100) == b"hello"
        yield made


def only(proxy: Proxy) -> Link:
    (link,) = proxy.links()
    return link


def rest(client: socket.socket) -> bytes:
    """What else comes until the end."""
    received = b""
    while data := client.recv(100):
        received += data
    return received


def is_silent(client: socket.socket) -> bool:
    client.settimeout(0.2)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(10)
    return False


@pytest.mark.parametrize("with_reset", [True, False])
def test_a_cut_passes_the_first_bytes_and_breaks_both_sides(
    proxy: Proxy, client: socket.socket, server: Server, with_reset: bool
) -> None:
    server.hears()
    only(proxy).cut(is_up=True, after_bytes=10, with_reset=with_reset)
    client.sendall(b"message")
    assert client.recv(100) == b"message"
    client.sendall(b"message")
    assert server.hears() == (0, b"message")
    assert server.hears() == (0, b"mes")
    assert server.hears()[1] == (b"reset" if with_reset else b"")
    if with_reset:
        with pytest.raises(ConnectionResetError):
            rest(client)
    else:
        rest(client)


def test_a_held_connection_takes_bytes_and_passes_them_when_released(
    proxy: Proxy, client: socket.socket, server: Server
) -> None:
    link = only(proxy)
    link.hold()
    client.sendall(b"one")
    wait_until(lambda: link.held_up_bytes == 3)
    assert is_silent(client)
    link.release()
    assert client.recv(100) == b"one"


def test_a_held_connection_can_be_dropped(proxy: Proxy, client: socket.socket) -> None:
    link = only(proxy)
    link.hold()
    client.sendall(b"one")
    wait_until(lambda: link.held_up_bytes == 3)
    link.drop()
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    assert proxy.links() == []


def test_a_server_that_vanished_takes_bytes_and_never_answers(
    proxy: Proxy, client: socket.socket, server: Server
) -> None:
    server.hears()
    only(proxy).lose_server()
    assert server.hears() == (0, b"reset")
    client.sendall(b"into the void")
    assert is_silent(client)


def test_what_is_overtaken_arrives_after_a_newer_connections_bytes(
    proxy: Proxy, client: socket.socket, server: Server
) -> None:
    server.hears()
    link = only(proxy)
    link.hold()
    client.sendall(b"older")
    wait_until(lambda: link.held_up_bytes == 5)
    assert proxy.overtake(link)
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as again:
        again.sendall(b"newer")
        assert server.hears() == (1, b"newer")
        assert server.hears() == (0, b"older")
    assert proxy.delivered_late == 1


def test_a_replay_sends_what_a_client_sent_on_another_connection(
    proxy: Proxy, client: socket.socket, server: Server
) -> None:
    server.hears()
    assert proxy.recordings() == [b"hello"]
    proxy.replay(b"hello")
    assert server.hears() == (1, b"hello")


def test_slow_bytes_arrive_whole(proxy: Proxy, client: socket.socket, server: Server) -> None:
    only(proxy).slow(piece_bytes=2, for_s=10)
    client.sendall(b"in pieces")
    received = b""
    while len(received) < 9:
        received += client.recv(100)
    assert received == b"in pieces"
