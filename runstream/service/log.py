"""Structured logs: an event and its fields, once a fact; JSON lines unless a person is watching."""

from __future__ import annotations

import logging
import sys
import time
from collections import defaultdict, deque

import structlog


def configure(service: str) -> None:
    """Sets up logging of a process, to stderr."""
    is_watched = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if is_watched else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class LimitedWarning:
    """A warning that may repeat at most so often a minute; the next one says how many were left out."""

    def __init__(self, event: str, *, per_minute: int = 6) -> None:
        self._event = event
        self._per_minute = per_minute
        self._recent: deque[float] = deque()
        self._left_out: dict[str, int] = defaultdict(int)

    def __call__(self, **fields: object) -> None:
        """Warns, unless it was said often enough."""
        now = time.monotonic()
        while self._recent and now - self._recent[0] > 60:
            self._recent.popleft()
        if len(self._recent) >= self._per_minute:
            self._left_out[self._event] += 1
            return
        self._recent.append(now)
        left_out = self._left_out.pop(self._event, 0)
        structlog.get_logger().warning(self._event, left_out=left_out, **fields)
