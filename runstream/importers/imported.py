"""What a reader makes of a run of its source. Pure, but for the numbers it gathers."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from runstream.names import MAX_NAME_CHARS, name_problem

State = Literal["finished", "failed", "crashed"]
_DIGEST_CHARS = 8


@dataclass(frozen=True)
class Column:
    """Every value of a key, in the source's order: ``steps: int64[R]``, ``times_ms: int64[R]``, ``values: float64[R]``.

    A step may stand there more than once; the last one wins.
    """

    key: str
    steps: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


@dataclass(frozen=True)
class ImportedRun:
    """A run of another tracker.

    Attributes:
        id: id of the run here. Made from the source alone, so that the same source gives the same run.
        columns: its points, each key once.
        project: project that the source names, or empty.
        name: name shown to people.
        config: hyper-parameters.
        summary: what the source set as the run's summary.
        tags: tags.
        notes: free text.
        group: group of runs that belong together.
        job_type: role of the run in its group.
        created_ms: when it began, milliseconds since 1970 UTC.
        state: how it ended.
        attempt: which start of the run this is; made from the source alone.
        skipped: values of the source that are not imported, by kind.
        problems: what of the source could not be read.
    """

    id: str
    columns: tuple[Column, ...]
    project: str = ""
    name: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    notes: str = ""
    group: str = ""
    job_type: str = ""
    created_ms: int = 0
    state: State = "finished"
    attempt: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """Values read."""
        return sum(len(column.values) for column in self.columns)

    @property
    def distinct(self) -> int:
        """Values that are left where each key has one a step."""
        return sum(len(np.unique(column.steps)) for column in self.columns)


Reader = Callable[..., Iterable[ImportedRun]]
"""Reads the runs of a path; sources may have options of their own, by name."""


class Gatherer:
    """Collects a run's points one by one, 24 bytes each, and what is skipped."""

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()
        self._by_key: dict[str, tuple[array[int], array[int], array[float]]] = {}

    def add(self, key: str, step: int, time_ms: int, value: float) -> None:
        """Takes a point; raises OverflowError for a step or time of more than 64 bits."""
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = (array("q"), array("q"), array("d"))
        steps, times, values = found
        values.append(value)
        try:
            steps.append(step)
            times.append(time_ms)
        except OverflowError:
            del values[len(times) :], steps[len(times) :]
            raise

    def columns(self) -> tuple[Column, ...]:
        """What was taken."""
        return tuple(
            Column(key, np.array(steps, np.int64), np.array(times, np.int64), np.array(values, np.float64))
            for key, (steps, times, values) in self._by_key.items()
        )

    def first_ms(self) -> int | None:
        """The earliest time of a point, if there is one."""
        return min((min(times) for _, times, _ in self._by_key.values() if times), default=None)

    def cut(self, from_step_inclusive: int) -> int:
        """Forgets the points from a step on; returns how many those were."""
        cut = 0
        for key, parts in self._by_key.items():
            kept = np.array(parts[0], np.int64) < from_step_inclusive
            if not kept.all():
                cut += int((~kept).sum())
                steps, times, values = (np.array(part)[kept] for part in parts)
                self._by_key[key] = array("q", steps.tolist()), array("q", times.tolist()), array("d", values.tolist())
        return cut


def source_id(readable: str, *unique: object) -> str:
    """An id for a run whose source has none: something to read, and a digest of what tells it from all others."""
    digest = hashlib.sha256("\0".join(map(str, unique)).encode(errors="surrogateescape")).hexdigest()[:_DIGEST_CHARS]
    stem = re.sub(r"[^\w.-]+", "-", readable).strip("-.")[: MAX_NAME_CHARS - _DIGEST_CHARS - 1]
    return f"{stem}-{digest}" if stem else digest


def own_id(given: str) -> str:
    """The source's own id of a run, if it can be one here; else one made from it."""
    return source_id(given, given) if name_problem(given) else given


def own_project(given: str) -> str:
    """The source's own name of a project, with what cannot stand in one here replaced; may be empty."""
    if not name_problem(given):
        return given
    return re.sub(r"[^\w.-]+", "-", given).strip("-.")[:MAX_NAME_CHARS]


def as_value(text: str) -> Any:
    """What a parameter kept as text was, as far as text can tell: an int, a float, a bool, or the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"True": True, "False": False}.get(text, text)


def files_below(path: Path, fits: Callable[[Path], bool]) -> Iterator[Path]:
    """A file itself, or the fitting ones of a folder, in one order on every machine."""
    if path.is_file():
        yield path
        return
    yield from sorted(found for found in path.rglob("*") if fits(found) and found.is_file())
