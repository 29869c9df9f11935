"""Promises of the design, checked where they could break: I1, I2, … of docs/design.md."""

from __future__ import annotations

import os

import structlog

from runstream.service import metrics


class BrokenInvariant(AssertionError):
    """A promise was found broken."""


def check(invariant: str, holds: bool, **fields: object) -> None:
    """Raises in tests (RUNSTREAM_CHECK=raise); otherwise counts and logs, since serving on is better."""
    if holds:
        return
    if os.environ.get("RUNSTREAM_CHECK") == "raise":
        raise BrokenInvariant(f"{invariant}: {fields}")
    metrics.broken_invariants.labels(invariant).inc()
    structlog.get_logger("invariants").error("broken_invariant", id=invariant, **fields)
