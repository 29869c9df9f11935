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
