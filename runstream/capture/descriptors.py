"""Small things about file descriptors."""

from __future__ import annotations

import contextlib
import fcntl
import os
import termios


def copy_window_size(from_fd: int, to_fd: int) -> None:
    """Makes a pty as wide as the terminal behind it: bars ask for it."""
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(from_fd, termios.TIOCGWINSZ, bytes(8))
        if size != fcntl.ioctl(to_fd, termios.TIOCGWINSZ, bytes(8)):
            fcntl.ioctl(to_fd, termios.TIOCSWINSZ, size)


def off_standard(fd: int) -> int:
    """Moves a descriptor out of 0 to 2: where a program has closed those, a new one gets their numbers."""
    if fd > 2:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return moved


def identity(fd: int) -> tuple[int, int, int] | None:
    """Which file a descriptor stands for; None if it is closed."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_rdev


class Owned:
    """Descriptors that are ours as long as they stand for the files that they did.

    A program that makes itself a daemon closes every descriptor it finds; their numbers then become others'
    files, and to close or copy those would break it.
    """

    def __init__(self, *fds: int) -> None:
        self._files = {fd: identity(fd) for fd in fds}

    def has(self, fd: int) -> bool:
        """Whether it is still ours."""
        return self._files.get(fd) is not None and identity(fd) == self._files[fd]

    def close(self, fd: int) -> None:
        """Closes one, if it is ours. Idempotent."""
        if self.has(fd):
            os.close(fd)
        self._files.pop(fd, None)

    def close_all(self) -> None:
        """Closes what is left."""
        for fd in list(self._files):
            self.close(fd)
