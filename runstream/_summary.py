"""A run's summary: what the user sets, over the last value of everything that was logged.

The server makes the automatic part by itself; this process only sends what was set. Reading shows both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from runstream.documents import Document


class Summary(Document):
    """The summary of a run.

    Args:
        on_change: called after every change of what was set.
        latest: the last value this process logged of each key.
        hide: called with an automatic key that was deleted: the server is to leave it out.
    """

    __slots__ = ("_hidden", "_hide", "_latest")

    def __init__(
        self, on_change: Callable[[Document], None], latest: Callable[[], dict[str, float]], hide: Callable[[str], None]
    ) -> None:
        super().__init__(on_change)
        object.__setattr__(self, "_latest", latest)
        object.__setattr__(self, "_hide", hide)
        object.__setattr__(self, "_hidden", set())

    def __missing__(self, key: str) -> Any:
        return self._automatic()[key]

    def __delitem__(self, key: str) -> None:
        """Deletes what was set; an automatic value is left out of the summary from now on."""
        is_automatic = key in self._automatic()
        if dict.__contains__(self, key):
            self._remove(key)
        elif not is_automatic:
            raise KeyError(key)
        if is_automatic:
            self._hidden.add(key)
            self._hide(key)

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or key in self._automatic()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __eq__(self, other: object) -> bool:
        return self._all() == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __repr__(self) -> str:
        return repr(self._all())

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self._all(),)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def keys(self) -> Any:
        """Keys of what was set and of everything that was logged."""
        return self._all().keys()

    def values(self) -> Any:
        """Values, in the order of the keys."""
        return self._all().values()

    def items(self) -> Any:
        """Keys with their values."""
        return self._all().items()

    def as_dict(self) -> dict[str, Any]:
        """A copy made of plain dicts."""
        return self._all()

    def _automatic(self) -> dict[str, float]:
        return {key: value for key, value in self._latest().items() if key not in self._hidden}

    def _all(self) -> dict[str, Any]:
        return self._automatic() | self._own()
