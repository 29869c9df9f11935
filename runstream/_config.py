"""A run's config: hyper-parameters that stay what they were unless somebody means to change them.

wandb's rules: what ``init`` is given may be repeated with the same value; another value for a key that is there needs
``allow_val_change=True``, and is a ConfigError without it, except in notebooks. What a sweep has set is
locked: changes are ignored, with a word. Only top-level keys are guarded; inside them values may change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runstream.documents import Document, Section, kept, to_json
from runstream.errors import ConfigError
from runstream.forms import as_mapping


class Config(Document):
    """The config of a run: a dict with attribute access at every level.

    ``{"a.b": 1}`` and ``{"a": {"b": 1}}`` are different configs and stay so.

    Args:
        on_change: called after every change.
        warn: prints a word to the user.
        allows_change: whether values may change without ``allow_val_change=True``.
    """

    __slots__ = ("_allows_change", "_locked_by", "_warn")

    def __init__(
        self, on_change: Callable[[Document], None], warn: Callable[[str], None], *, allows_change: bool = False
    ) -> None:
        super().__init__(on_change)
        object.__setattr__(self, "_warn", warn)
        object.__setattr__(self, "_allows_change", allows_change)
        object.__setattr__(self, "_locked_by", {})

    def update(self, *others: Any, allow_val_change: bool | None = None, **values: Any) -> None:
        """Sets several keys and tells of one change; all of them or, with an error, none.

        Args:
            *others: configs in any form: mappings, argparse.Namespace, dataclasses, absl flags, files.
            allow_val_change: whether keys that are there may get another value; by default what ``init`` said.
            **values: single keys.

        Raises:
            ConfigError: a key that is there would get another value.
            TypeError: a config has none of the forms.
        """
        wanted: dict[str, Any] = {}
        for other in (*others, values):
            wanted.update({_key(key): value for key, value in as_mapping(other).items()})
        allows = self._allows_change if allow_val_change is None else allow_val_change
        free = {key: value for key, value in wanted.items() if self._may_change(key)}
        if not allows:
            self._check_same(free)
        self._take(free)
        self._tell()

    def _begin(self, given: Any, defaults: Mapping[str, Any], earlier: Mapping[str, Any]) -> None:
        """Sets what a run begins with, without a word: what is given, over defaults, over an earlier config."""
        self._take({_key(key): value for key, value in {**defaults, **as_mapping(given)}.items()})
        _fill(self, earlier, self)

    def setdefaults(self, other: Any) -> None:
        """Sets the keys that are not there."""
        self.update({key: value for key, value in as_mapping(other).items() if _key(key) not in self})

    def lock(self, values: Any, by: str = "sweep") -> None:
        """Sets values, merged into nested ones, that nobody may change from now on.

        Args:
            values: a config in any form.
            by: who has set them, for the word that is printed when a change is ignored.
        """
        for key, value in as_mapping(values).items():
            name = _key(key)
            self._merge(self, name, value)
            self._locked_by[name] = by
        self._tell()

    def persist(self) -> None:
        """Writes the config down again; wandb code calls it after changing a list inside."""
        self._tell()

    def _merge(self, section: Section, name: str, value: Any) -> None:
        inside = kept(value, self, name if section is self else section._top)
        there = dict.get(section, name)
        if isinstance(there, Section) and isinstance(inside, Section):
            for key, item in dict(inside).items():
                self._merge(there, key, item)
        else:
            dict.__setitem__(section, name, inside)

    def _check_same(self, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            if key in self and to_json(value) != to_json(self[key]):
                raise ConfigError(
                    f"config[{key!r}] is {self[key]!r:.200} and would become {value!r:.200}",
                    next_step="if that is meant, pass allow_val_change=True to config.update() or init()",
                )

    def _may_change(self, top: str) -> bool:
        by = self._locked_by.get(top)
        if by is not None:
            self._warn(f"config[{top!r}] was set by the {by}; the change is ignored")
        return by is None


def _fill(section: Section, earlier: Mapping[str, Any], document: Document) -> None:
    for key, value in earlier.items():
        there = dict.get(section, key)
        if isinstance(there, Section) and isinstance(value, Mapping):
            _fill(there, value, document)
        elif key not in section:
            dict.__setitem__(section, key, kept(value, document, section._top or key))


def _key(key: Any) -> str:
    """The name wandb gives a key: the dashes of command-line flags are stripped."""
    text = str(key)
    return text.strip("-") or text
