"""Puts a pipe or a pty in the place of stdout and stderr, and takes it away again.

Where both go to the same place they share a channel, so that what one program wrote first comes first: two
channels could not tell. Its lines then all count as stdout. A terminal is replaced by a pty, so that bars,
colours and prompts stay as they are; it is raw, as the real terminal behind it does the rest.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import termios
from collections.abc import Iterable
from dataclasses import dataclass

from runstream.capture.descriptors import Owned, copy_window_size, identity, off_standard
from runstream.capture.line import Stream

_NAMES: dict[int, Stream] = {1: "stdout", 2: "stderr"}
_PIPE_BYTES = 1 << 20  # what a burst may have printed before the pump runs; the kernel may allow less
_F_SETPIPE_SZ = 1031
_NULL_DEVICE = os.makedev(1, 3)


@dataclass
class Channel:
    """What stands in the place of one or both descriptors.

    Attributes:
        stream: whose lines they are.
        fds: 1, 2 or both.
        is_tty: whether it is a pty.
        read_fd: where the output comes out. Kept open here too: were the pump killed, nobody would get EPIPE.
        original_fd: where it went before.
    """

    stream: Stream
    fds: tuple[int, ...]
    is_tty: bool
    read_fd: int
    original_fd: int
    _write_fd: int
    _identity: tuple[int, int, int]
    _owned: Owned

    def replace(self) -> None:
        """From here on, output goes through the channel."""
        for fd in self.fds:
            os.dup2(self._write_fd, fd)
        self._owned.close(self._write_fd)

    def restore(self) -> None:
        """Puts the descriptors back as they were, but those that somebody else has replaced since. Idempotent."""
        for fd in self.fds:
            if identity(fd) == self._identity and self._owned.has(self.original_fd):
                os.dup2(self.original_fd, fd)

    def is_whole(self) -> bool:
        """Whether both ends that are kept here are still ours."""
        return self._owned.has(self.read_fd) and self._owned.has(self.original_fd)

    def close(self) -> None:
        """Closes what is kept here."""
        self._owned.close_all()


def open_channels(fds: Iterable[int]) -> list[Channel]:
    """Makes channels for descriptors; nothing is replaced yet. A closed descriptor gets none."""
    places: dict[object, list[int]] = {}
    for fd in fds:
        if (place := identity(fd)) is not None:
            is_nowhere = place[2] == _NULL_DEVICE  # where order does not matter, streams can be told apart
            places.setdefault(fd if is_nowhere else place, []).append(fd)
    channels: list[Channel] = []
    try:
        for group in places.values():
            channels.append(_open(tuple(group)))
    except OSError:
        for channel in channels:
            channel.close()
        raise
    return channels


def _open(fds: tuple[int, ...]) -> Channel:
    is_tty = os.isatty(fds[0])
    if is_tty:
        read_fd, write_fd = map(off_standard, os.openpty())
        attributes = termios.tcgetattr(write_fd)
        attributes[1] &= ~termios.OPOST
        attributes[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
        termios.tcsetattr(write_fd, termios.TCSANOW, attributes)
        copy_window_size(fds[0], read_fd)
    else:
        read_fd, write_fd = map(off_standard, os.pipe())
        with contextlib.suppress(OSError):
            fcntl.fcntl(write_fd, _F_SETPIPE_SZ, _PIPE_BYTES)
    place = identity(write_fd)
    assert place is not None
    original_fd = off_standard(os.dup(fds[0]))
    return Channel(
        _NAMES[fds[0]], fds, is_tty, read_fd, original_fd, write_fd, place, Owned(read_fd, original_fd, write_fd)
    )
