"""A directory that one process owns: its lock and the version of what is in it.

chDB allows one process a directory and says so with an empty error; this says who and what to do.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from runstream.errors import SetupError

FORMAT_VERSION = 1
_VERSION_FILE = "runstream-format"
_LOCK_FILE = "runstream.lock"


@dataclass
class DataDir:
    """A claimed directory; held until ``release`` or the end of the process."""

    path: Path
    _lock_fd: int

    @classmethod
    def claim(cls, path: Path, *, holder: str) -> DataDir:
        """Makes the directory if need be and claims it for this process.

        Args:
            path: the directory.
            holder: what this process is, for the error another one would get.

        Raises:
            SetupError: it cannot be written, another process holds it, or it has another format version.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            fd = os.open(path / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SetupError(
                f"cannot use data directory {path}: {error.strerror}", next_step="choose another with --data DIR"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(fd, 4096, 0).decode("utf-8", "replace").strip() or "another process"
            os.close(fd)
            raise SetupError(
                f"data directory {path} is in use by {owner}",
                next_step="stop it, use its address, or choose another directory with --data DIR",
            ) from None
        try:
            cls._check_version(path)
        except BaseException:
            os.close(fd)
            raise
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{holder} (process id {os.getpid()})".encode(), 0)
        return cls(path, fd)

    @staticmethod
    def _check_version(path: Path) -> None:
        version_file = path / _VERSION_FILE
        try:
            text = version_file.read_text("utf-8").strip()
        except FileNotFoundError:
            if any(entry.name != _LOCK_FILE for entry in path.iterdir()):
                raise SetupError(
                    f"data directory {path} holds files but is none of runstream's",
                    next_step="choose an empty or new directory with --data DIR",
                ) from None
            version_file.write_text(f"{FORMAT_VERSION}\n", "utf-8")
            return
        if text != str(FORMAT_VERSION):
            raise SetupError(
                f"data directory {path} has format version {text}, this runstream reads version {FORMAT_VERSION}",
                next_step="use the runstream version that wrote it, or choose another directory with --data DIR",
            )

    def release(self) -> None:
        """Gives the directory up. Safe to call twice."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1
