"""Runs a command for what it prints, within a time and a size, whatever it does."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Printed(NamedTuple):
    """What a command printed."""

    data: bytes
    is_cut: bool


class CommandFailed(Exception):
    """The command is not there, failed, or took too long."""


def printed(
    command: Sequence[str], *, timeout_s: float, max_bytes: int = 1 << 20, cwd: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Printed:  # fmt: skip
    """Returns what a command printed, at most ``max_bytes``; it is stopped when there is more.

    Raises:
        CommandFailed: it could not be started, took longer, or ended with another code than 0.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=cwd,
            env=env,
            start_new_session=True,  # so that all of it can be stopped; Ctrl-C means the training process
        )
    except OSError as error:
        raise CommandFailed(f"{command[0]}: {error.strerror}") from error
    assert process.stdout is not None
    end = time.monotonic() + timeout_s
    data = bytearray()
    try:
        while len(data) <= max_bytes:
            readable = select.poll()
            readable.register(process.stdout, select.POLLIN)
            if not readable.poll(max(0.0, end - time.monotonic()) * 1000):
                raise CommandFailed(f"{command[0]}: no answer within {timeout_s:g} s")
            part = os.read(process.stdout.fileno(), 1 << 16)
            if not part:
                break
            data += part
        if len(data) > max_bytes:
            return Printed(bytes(data[:max_bytes]), True)
        code = process.wait(max(0.1, end - time.monotonic()))
        if code:
            raise CommandFailed(f"{command[0]}: exit code {code}")
        return Printed(bytes(data), False)
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{command[0]}: not ended within {timeout_s:g} s") from error
    finally:
        process.stdout.close()
        if process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)  # one that hangs in the kernel is left behind
