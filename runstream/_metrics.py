"""What ``define_metric`` says of metrics: their step, their summary, whether charts show them.

The definitions are one document of the run, name or glob to what was said. A name wins over globs, a longer glob
over a shorter one; the server reads it by the same rule. ``step_sync`` is done here, since only the
process knows the last value of a step metric when a row is logged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runstream.errors import InvalidField
from runstream.spool.logged import flat

SUMMARIES = ("min", "max", "mean", "best", "last", "first", "copy", "none")
_GOALS = {"minimize": "minimize", "min": "minimize", "maximize": "maximize", "max": "maximize"}
# Code that logs ever new key sets must not grow the training process.
_MAX_PLANS = 4096

AppendRow = Callable[[Mapping[str, Any], int, int], None]


@dataclass(frozen=True)
class Metric:
    """What was said of a metric, or of all whose name fits a glob.

    Attributes:
        name: name, or glob with ``*``.
        step_metric: the metric that its charts have as x axis.
        step_sync: whether a row without the step metric gets its last value.
        hidden: whether charts leave it out.
        summary: what the run's summary holds of it: min, max, mean, best, last, first, copy or none.
        goal: what ``best`` means: minimize or maximize.
    """

    name: str
    step_metric: str | None = None
    step_sync: bool | None = None
    hidden: bool | None = None
    summary: tuple[str, ...] | None = None
    goal: str | None = None

    def fits(self, key: str) -> bool:
        """Whether the definition is about a key."""
        if "*" not in self.name:
            return key == self.name
        return re.fullmatch(".*".join(map(re.escape, self.name.split("*"))), key, re.DOTALL) is not None

    def to_json(self) -> dict[str, Any]:
        """What is kept of it in the run's document."""
        said = {
            "stepMetric": self.step_metric,
            "stepSync": self.step_sync,
            "summary": None if self.summary is None else list(self.summary),
            "goal": self.goal,
            "hidden": self.hidden,
        }
        return {name: value for name, value in said.items() if value is not None}


class Definitions:
    """All definitions of a run."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def define(self, new: Metric, *, overwrite: bool) -> Metric:
        """Adds a definition; what it leaves open stays as an earlier one of the name said, unless it overwrites."""
        before = self._metrics.get(new.name)
        if before is not None and not overwrite:
            said = {name: value for name, value in vars(new).items() if value is not None}
            new = Metric(**(vars(before) | said))
        self._metrics[new.name] = new
        return new

    def of(self, key: str) -> Metric | None:
        """The definition that a key has."""
        if key in self._metrics:
            return self._metrics[key]
        globs = [metric for metric in self._metrics.values() if metric.fits(key)]
        return max(globs, key=lambda metric: len(metric.name), default=None)

    @property
    def step_metrics(self) -> set[str]:
        """The metrics whose last value a row may need."""
        return {metric.step_metric for metric in self._metrics.values() if metric.step_sync and metric.step_metric}

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """The document."""
        return {name: metric.to_json() for name, metric in self._metrics.items()}


class StepSync:
    """Adds step metrics' last values to rows that lack them. In the way of rows only when a definition needs it.

    Args:
        definitions: what was defined.
        append_row: takes the row, full or as it was.
        latest: the last value of each key so far.
    """

    def __init__(self, definitions: Definitions, append_row: AppendRow, latest: Mapping[str, float]) -> None:
        self._definitions = definitions
        self._append_row = append_row
        self._last: dict[str, Any] = dict(latest)
        # By key set: the step metrics it holds, and those it lacks.
        self._plans: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}

    def append_row(self, data: Mapping[str, Any], step: int, time_ms: int) -> None:
        """Appends a row. The caller holds the writer's lock."""
        try:
            row = dict(flat(data)) if any(isinstance(value, Mapping) for value in data.values()) else data
            held, lacked = self._plans.get(tuple(row)) or self._plan(tuple(row))
        except (TypeError, AttributeError):  # no mapping, or keys that are no strings: the writer has words for that
            row, held, lacked = data, [], []
        for key in held:
            self._last[key] = row[key]
        added = {key: self._last[key] for key in lacked if key in self._last}
        self._append_row({**data, **added} if added else data, step, time_ms)

    def _plan(self, keys: tuple[str, ...]) -> tuple[list[str], list[str]]:
        steps = {
            metric.step_metric
            for metric in map(self._definitions.of, keys)
            if metric is not None and metric.step_sync and metric.step_metric
        }
        known = self._definitions.step_metrics
        plan = [key for key in keys if key in known], sorted(key for key in steps if key not in keys)
        if len(self._plans) < _MAX_PLANS:
            self._plans[keys] = plan
        return plan


def parse(
    name: object,
    step_metric: object = None,
    step_sync: object = None,
    hidden: object = None,
    summary: object = None,
    goal: object = None,
) -> Metric:
    """Checks the arguments of ``define_metric``.

    Raises:
        InvalidField: an argument cannot be.
    """
    if not isinstance(name, str) or not name:
        raise InvalidField("name", f"must be the name of a metric or a glob such as 'train/*', not {name!r}")
    if isinstance(step_metric, Metric):
        step_metric = step_metric.name
    if step_metric is not None and (not isinstance(step_metric, str) or not step_metric or "*" in step_metric):
        raise InvalidField("step_metric", f"must be the name of a metric, not {step_metric!r}")
    for field, value in (("step_sync", step_sync), ("hidden", hidden)):
        if value is not None and not isinstance(value, bool):
            raise InvalidField(field, f"must be True or False, not {value!r}")
    if goal is not None and goal not in _GOALS:
        raise InvalidField("goal", f"must be minimize or maximize, not {goal!r}")
    if step_sync is None and step_metric is not None:
        step_sync = True
    return Metric(
        name=name,
        step_metric=step_metric,
        step_sync=step_sync,  # type: ignore[arg-type]  # checked in the loop
        hidden=hidden,  # type: ignore[arg-type]
        summary=_summaries(summary),
        goal=_GOALS[str(goal)] if goal is not None else None,
    )


def _summaries(summary: object) -> tuple[str, ...] | None:
    if summary is None or summary == "":
        return None
    parts = summary.split(",") if isinstance(summary, str) else summary
    if not isinstance(parts, (list, tuple, set)):
        raise InvalidField("summary", f"must be some of {', '.join(SUMMARIES)} with commas between, not {summary!r}")
    found = tuple(str(part).strip().lower() for part in parts)
    for part in found:
        if part not in SUMMARIES:
            raise InvalidField("summary", f"must be some of {', '.join(SUMMARIES)}, not {part!r}")
    return found
