"""Metric definitions: which of a run's keys is summed up how (Document.KIND_METRICS). Pure.

A name wins over globs, a longer glob over a shorter one. What cannot be a definition is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

STATES = ("min", "max", "mean", "first", "last", "best")


class Definitions:
    """The definitions of one run."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._by_name = {name: each for name, each in document.items() if isinstance(each, Mapping)}

    def hows(self, key: str) -> list[str]:
        """How a key is summed up, in the order of STATES; ``["none"]`` for not at all, empty for its last value."""
        said = self._of(key).get("summary")
        names = said if isinstance(said, list) else [said]
        states = [state for state in STATES if state in names]
        return states or (["none"] if "none" in names else [])

    def is_maximized(self, key: str) -> bool:
        """Whether a key's best value is its largest; without a goal it is the smallest."""
        return self._of(key).get("goal") == "maximize"

    def _of(self, key: str) -> Mapping[str, Any]:
        named = self._by_name.get(key)
        return named if named is not None else next((each for glob, each in self._globs if glob.fullmatch(key)), {})

    @cached_property
    def _globs(self) -> list[tuple[re.Pattern[str], Mapping[str, Any]]]:
        names = sorted((name for name in self._by_name if "*" in name), key=lambda name: (-len(name), name))
        return [(_pattern(name), self._by_name[name]) for name in names]


def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, re.split(r"\*+", glob))), re.DOTALL)
