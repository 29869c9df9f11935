"""``runstream.Histogram``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runstream.errors import InvalidField
from runstream.values.arrays import as_array
from runstream.values.media import FileSink, Value

if TYPE_CHECKING:
    import numpy as np


class Histogram(Value):
    """How numbers are distributed: counts between edges.

    Args:
        sequence: numbers of any shape: array, tensor, nested list. NaN and infinities fall into no bin and are
            counted apart.
        np_histogram: instead, ``(counts[B], edges[B + 1])`` as of ``numpy.histogram``; edges finite, not falling.
        num_bins: bins of equal width between the smallest and the largest finite number, 1 to 512.

    Attributes:
        histogram: counts, B numbers.
        bins: edges, B + 1 numbers; the last bin includes both of its edges.
        non_finite: how many numbers were NaN or infinite.

    Raises:
        InvalidField: an argument cannot be used; names it and says what was given.
    """

    MAX_LENGTH: ClassVar[int] = 512

    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64) -> None:
        self.non_finite = 0
        if (sequence is None) == (np_histogram is None):
            raise InvalidField("sequence", "either sequence or np_histogram must be given, and not both")
        if np_histogram is not None:
            self.histogram, self.bins = _checked(np_histogram, self.MAX_LENGTH)
            return
        if isinstance(num_bins, bool) or not isinstance(num_bins, int) or not 1 <= num_bins <= self.MAX_LENGTH:
            raise InvalidField("num_bins", f"must be an integer of 1 to {self.MAX_LENGTH}, not {num_bins!r}")
        self.histogram, self.bins, self.non_finite = _count(as_array(sequence, "sequence"), num_bins)

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """``{"_type": "histogram", "values": [counts], "bins": [edges]}``; ``non_finite`` if there were any."""
        extra = {"non_finite": self.non_finite} if self.non_finite else {}
        return {"_type": "histogram", "values": list(self.histogram), "bins": list(self.bins), **extra}


def _count(values: np.ndarray[Any, Any], num_bins: int) -> tuple[list[float], list[float], int]:
    import numpy as np

    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    values = values.ravel()
    is_finite = np.isfinite(values)
    finite = values if is_finite.all() else values[is_finite]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    # numpy wants a finite range in which every edge is a number of its own type. Numbers near the end of what the
    # type holds are counted as their eighths; equal ones get half a unit, or a millionth of their size, on both sides.
    scale = 8.0 if max(abs(low), abs(high)) > float(np.finfo(finite.dtype).max) / 16 else 1.0
    if scale > 1:
        finite, low, high = finite / finite.dtype.type(scale), low / scale, high / scale
    least_width = num_bins * 4 * float(np.spacing(finite.dtype.type(max(abs(low), abs(high)))))
    if high - low < least_width:
        margin = max(0.5 if low == high else 0.0, 1e-6 * max(abs(low), abs(high)), least_width)
        low, high = low - margin, high + margin
    counts, edges = np.histogram(finite, bins=num_bins, range=(low, high))
    end = float(np.finfo(np.float64).max) / scale  # half a unit past the last float is none
    return counts.tolist(), (edges.astype(np.float64).clip(-end, end) * scale).tolist(), int(values.size - finite.size)


def _checked(np_histogram: Any, limit: int) -> tuple[list[float], list[float]]:
    import numpy as np

    field = "np_histogram"
    if not isinstance(np_histogram, (tuple, list)) or len(np_histogram) != 2:
        raise InvalidField(field, "must be (counts, edges), as numpy.histogram returns them")
    counts, edges = (as_array(part, field) for part in np_histogram)
    if counts.ndim != 1 or not 1 <= len(counts) <= limit:
        raise InvalidField(field, f"must have 1 to {limit} counts, their shape is {counts.shape}")
    if edges.shape != (len(counts) + 1,):
        raise InvalidField(field, f"{len(counts)} counts need {len(counts) + 1} edges, their shape is {edges.shape}")
    if not (np.isfinite(counts).all() and np.isfinite(edges).all()):
        raise InvalidField(field, "counts and edges must be finite")
    if (edges[1:] < edges[:-1]).any():
        raise InvalidField(field, "edges must not fall")
    return counts.tolist(), edges.tolist()
