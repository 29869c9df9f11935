"""Words to people: their levels, and how often the same one is said."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from typing import Any

from runstream.errors import InvalidField

MAX_TEXT_CHARS = 65_536


class AlertLevel(Enum):
    """How bad it is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class Alerts:
    """The alerts of a run.

    Args:
        now: a clock that never goes back, seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._silent_until: dict[str, float] = {}

    def record(
        self, title: object, text: object, level: str | AlertLevel | None, wait_duration: float | timedelta | None
    ) -> dict[str, Any] | None:
        """The alert as a record, or None while its title is not to be said again.

        Raises:
            InvalidField: the level or the title cannot be.
        """
        name = str(level.value if isinstance(level, AlertLevel) else level or "INFO").upper()
        if name not in AlertLevel.__members__:
            raise InvalidField("level", f"must be INFO, WARN or ERROR, not {level!r}")
        title = str(title)[:MAX_TEXT_CHARS]
        if not title:
            raise InvalidField("title", "is empty")
        if self._now() < self._silent_until.get(title, 0.0):
            return None
        wait_s = wait_duration.total_seconds() if isinstance(wait_duration, timedelta) else wait_duration or 0.0
        self._silent_until[title] = self._now() + wait_s
        return {"alert": {"title": title, "text": str(text)[:MAX_TEXT_CHARS], "level": f"LEVEL_{name}"}}
