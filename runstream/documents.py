"""Config and summary: JSON documents of a run that behave like dicts and say when they changed.

What JSON cannot hold becomes what people expect to read: numpy and torch scalars their number, arrays and
sets lists, paths and other objects their text, non-finite numbers the strings NaN and Infinity.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import PurePath
from typing import Any

# protobuf's parsers go 100 messages deep, and a JSON object in a Struct is three of them.
MAX_DEPTH = 30


class Document(MutableMapping[str, Any]):
    """A dict with attribute access whose changes are told to ``on_change``.

    Nested dicts are plain; assign to the top-level key (or call ``update``) to record a change in them.
    """

    def __init__(self, on_change: Callable[[Document], None]) -> None:
        object.__setattr__(self, "_values", {})
        object.__setattr__(self, "_on_change", on_change)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._values[str(key)] = value
        self._on_change(self)

    def __delitem__(self, key: str) -> None:
        del self._values[key]
        self._on_change(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __repr__(self) -> str:
        return repr(self._values)

    def update(self, *others: Any, allow_val_change: bool = True, **values: Any) -> None:
        """Sets several keys and tells of one change. Takes mappings and ``argparse.Namespace``.

        ``allow_val_change`` is accepted for wandb code; values may always change here.
        """
        del allow_val_change
        for other in others:
            self._values.update({str(key): value for key, value in as_mapping(other).items()})
        self._values.update(values)
        self._on_change(self)

    def setdefaults(self, other: Any) -> None:
        """Sets the keys that are not there."""
        self.update({key: value for key, value in as_mapping(other).items() if key not in self._values})

    def as_dict(self) -> dict[str, Any]:
        """A copy."""
        return dict(self._values)


def as_mapping(value: object) -> Mapping[str, Any]:
    """A config in any of the forms people pass: mapping, argparse.Namespace, dataclass instance, None.

    Raises:
        TypeError: another form.
    """
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    if isinstance(value, argparse.Namespace):
        return vars(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"config must be a mapping, an argparse.Namespace or a dataclass, not {type(value).__name__}")


def to_json(value: object, *, on_odd: Callable[[str, str], None] | None = None, path: str = "", depth: int = 0) -> Any:
    """A value in the terms of JSON.

    Args:
        value: anything.
        on_odd: called with path and type name of what is kept only as text.
        path: where the value stands.
        depth: how deep that is; below 50 levels only text is kept.
    """
    if value is None or isinstance(value, (bool, str)):
        return value if not isinstance(value, str) else value.encode(errors="replace").decode()
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _non_finite(value)
    if depth < MAX_DEPTH:
        if isinstance(value, Mapping):
            return {
                str(key): to_json(item, on_odd=on_odd, path=f"{path}.{key}" if path else str(key), depth=depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [to_json(item, on_odd=on_odd, path=path, depth=depth + 1) for item in value]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return to_json(dataclasses.asdict(value), on_odd=on_odd, path=path, depth=depth + 1)
        plain = getattr(value, "tolist", None)  # numpy, torch, jax: scalars and arrays
        if callable(plain):
            return to_json(plain(), on_odd=on_odd, path=path, depth=depth + 1)
    if not isinstance(value, (PurePath, type)) and on_odd is not None:
        on_odd(path, type(value).__name__)
    try:
        return str(value)[:10_000]
    except Exception:
        return f"<{type(value).__name__}>"


def _non_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
