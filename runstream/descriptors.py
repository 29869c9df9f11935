"""How many files and sockets this process may have open."""

from __future__ import annotations

import contextlib
import resource


def allow_many() -> None:
    """Raises the soft limit to the hard one: 1,024 is common, and a stream or a spool takes a descriptor."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS calls its hard limit infinite and takes less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
