"""Which points of resumed runs are valid now (I6): where earlier attempts are cut. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_VALID = (
    # No resume hides system metrics: their steps are seconds.
    "(startsWith(key, 'system/') OR step <= transform(bitXor(run_id, toUInt64(attempt)), {cut_places:Array(UInt64)}, "
    "{last_valid:Array(Int64)}, toInt64(9223372036854775807)))"
)


@dataclass(frozen=True)
class Cuts:
    """The attempts of a resumed run: ``attempts[i]`` is valid below ``cuts[i]``, ``newest`` everywhere."""

    newest: int
    attempts: list[int]
    cuts: list[int]


def cuts_by_run(rows: Sequence[Mapping[str, Any]]) -> dict[int, Cuts]:
    """Cuts of the runs that have more than one attempt.

    Args:
        rows: run_id, attempt, first_step, in this order.
    """
    attempts: dict[int, list[tuple[int, int]]] = {}
    for row in rows:
        attempts.setdefault(row["run_id"], []).append((row["attempt"], row["first_step"]))
    return {run: _cuts(starts) for run, starts in attempts.items() if len(starts) > 1}


def valid_now(cuts: Mapping[int, Cuts]) -> tuple[str, dict[str, Any]]:
    """A condition on rows of any number of runs: not cut off by a resume. Its text, and its parameters.

    A run and an attempt are one number, run_id XOR attempt: ids are hashes of 64 bits, so two never meet.
    """
    cut_at = {
        run ^ attempt: cut for run, each in cuts.items() for attempt, cut in zip(each.attempts, each.cuts, strict=True)
    }
    if not cut_at:
        return "true", {}
    last_valid = [max(cut - 1, -(1 << 63)) for cut in cut_at.values()]
    return _VALID, {"cut_places": list(cut_at), "last_valid": last_valid}


def _cuts(starts: Sequence[tuple[int, int]]) -> Cuts:
    """An attempt is cut by the lowest first step of all later ones."""
    (newest, cut), *earlier = sorted(starts, reverse=True)
    cut_at: dict[int, int] = {}
    for attempt, first_step in earlier:
        cut_at[attempt] = cut
        cut = min(cut, first_step)
    return Cuts(newest, list(cut_at), list(cut_at.values()))
