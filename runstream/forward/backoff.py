"""How long to wait before the next try. Pure."""

from __future__ import annotations

import random

FIRST_S = 0.1
MAX_S = 15.0


def delay_s(failures: int, random_0_1: float | None = None) -> float:
    """Seconds to wait after the n-th failure in a row, n from 1.

    Doubles from 0.1 s to 15 s and then takes a uniform part of it ("full jitter", AWS Architecture Blog), so
    that a fleet that lost its server does not come back in step; never below half of the first delay.
    """
    ceiling = min(MAX_S, FIRST_S * float(1 << min(failures - 1, 16)))
    part = random.random() if random_0_1 is None else random_0_1
    return max(FIRST_S / 2, ceiling * part)
