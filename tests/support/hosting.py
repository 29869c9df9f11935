"""Services of this checkout in this process, hosted for real: sockets, interceptors, signals apart."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence

from runstream.service.auth import Authenticator, StoreKeys
from runstream.service.host import Addresses, serve
from runstream.service.service import Service
from runstream.service.settings import HostSettings
from runstream.store.client import Store


@contextlib.contextmanager
def hosted(services: Sequence[Service], store: Store, *, allows_keyless: bool = True) -> Iterator[Addresses]:
    """Serves in a thread of its own until the block ends; an error of serving is raised in the end."""
    ready: queue.Queue[Addresses | BaseException] = queue.Queue()
    loop_and_stop: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def run() -> None:
        stop = asyncio.Event()
        loop_and_stop.put((asyncio.get_running_loop(), stop))
        authenticator = Authenticator(StoreKeys(store), allows_keyless=allows_keyless)
        settings = HostSettings(http_port=0, grpc_port=0)
        await serve(services, settings, authenticator, on_ready=ready.put, stop=stop)

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            ready.put(error)

    thread = threading.Thread(target=work)
    thread.start()
    addresses = ready.get(timeout=20)
    if isinstance(addresses, BaseException):
        raise addresses
    loop, stop = loop_and_stop.get()
    try:
        yield addresses
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()
    if not ready.empty():
        raise AssertionError("serving failed") from ready.get()  # type: ignore[misc]
