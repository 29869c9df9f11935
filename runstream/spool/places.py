"""Where writers' directories are, and who holds their locks."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from runstream.spool.ledger import RECEIPT_FILE

WRITER_FILE = "writer.json"
WRITER_LOCK = "writer.lock"
LAST_WORDS_FILE = "last-words.jsonl"
FORWARDER_LOCK = "forwarder.lock"
AUXILIARY = "auxiliary"
"""In ``writer.json``: this is no process of the run; a forwarder writes beside one, see ``Open.is_auxiliary``."""


def writer_dirs(folder: Path, *, only_open: bool = False) -> Iterator[Path]:
    """Writers' directories at or below a folder, by name; only those whose account is not closed if asked."""
    for place, folders, files in os.walk(folder):
        if WRITER_FILE in files:
            folders.clear()  # nothing but segments is below, perhaps very many
            if not (only_open and RECEIPT_FILE in files):
                yield Path(place)
        folders.sort()


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock file's lock; False if there is no such file."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
