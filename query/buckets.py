"""How wide buckets of steps are. Pure.

Widths are powers of two and buckets begin at multiples of their width, so the edges of a live curve stay where
they are while it grows, and zooming in halves buckets instead of shifting them.
"""

from __future__ import annotations


def shift_for(low: int, high: int, max_buckets: int) -> int:
    """The smallest n such that buckets of 2^n steps cover ``low`` to ``high`` with at most ``max_buckets``.

    Args:
        low: first step, inclusive.
        high: last step, inclusive; not below ``low``.
        max_buckets: at least 1. With 1, a range on both sides of step 0 still gives 2 buckets.
    """
    shift = 0
    while shift < 63 and (high >> shift) - (low >> shift) + 1 > max_buckets:
        shift += 1
    return shift
