"""Ports for servers that come back at the same address."""

from __future__ import annotations

import contextlib
import os
import socket


def free_ports(count: int) -> list[int]:
    """Ports that are free now, below the range that the kernel hands out, so they stay free while a server is away."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        for port in range(20_000 + (os.getpid() % 5_000), 32_000):
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("no free ports")
