"""JSON documents of a run that behave like dicts and say when they changed, at every level.

What JSON cannot hold becomes what people expect to read: numpy and torch scalars their number, arrays and sets lists,
paths and other objects their text, non-finite numbers the strings NaN and Infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, cast

from runstream.forms import as_mapping, structured

# protobuf's parsers go 100 messages deep, and a JSON object in a Struct is three of them.
MAX_DEPTH = 30
_MAX_TEXT_CHARS = 10_000
_RECURSIVE = "<contains itself>"
# Where types come from whose text is what one would write down: nothing is lost that people should be told of.
_SPEAKING = ("builtins", "pathlib", "datetime", "uuid", "fractions", "decimal")


class Section(dict[str, Any]):
    """A dict with attribute access whose changes are told to the document it is part of.

    Mappings and other structured values become sections of their own when they are put in, so
    ``config.optimizer.lr = 0.1`` and ``config["optimizer"]["lr"] = 0.1`` are seen. Attributes that are
    methods of dict are reached as items.
    """

    __slots__ = ("_document", "_top")

    def __init__(self, document: Document | None, top: str) -> None:
        object.__setattr__(self, "_document", document)
        object.__setattr__(self, "_top", top)

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        self._remove(key)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __ior__(self, other: Any) -> Section:  # type: ignore[override,misc]
        self.update(other)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return plain, (dict(self),)  # a copy, here or in another process, is nobody's document

    def update(self, *others: Any, **values: Any) -> None:
        """Sets several keys and tells of one change. Takes every form a config can have."""
        document = self._document
        if document is not None and not document._may_change(self._top):
            return
        for other in (*others, values):
            for key, value in as_mapping(other).items():
                dict.__setitem__(self, _name(key), kept(value, self._document, self._top))
        if document is not None:
            document._tell()

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of a key, which is set first if it is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        """Takes a key out and returns its value."""
        if key not in self and default:
            return default[0]
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Takes the last key out."""
        key = next(reversed(self))
        return key, self.pop(key)

    def clear(self) -> None:
        """Takes every key out."""
        for key in list(self):
            del self[key]

    def as_dict(self) -> dict[str, Any]:
        """A copy made of plain dicts."""
        return cast(dict[str, Any], plain(dict(self)))

    def _remove(self, key: str) -> None:
        document = self._document
        if document is not None and not document._may_change(self._top or key):
            return
        dict.__delitem__(self, key)
        if document is not None:
            document._tell()


class Document(Section):
    """The whole of a document.

    Args:
        on_change: called with the document after every change.
    """

    __slots__ = ("_on_change",)

    def __init__(self, on_change: Callable[[Document], None]) -> None:
        super().__init__(None, "")
        object.__setattr__(self, "_document", self)
        object.__setattr__(self, "_on_change", on_change)

    def update(self, *others: Any, **values: Any) -> None:
        """Sets several top-level keys and tells of one change. Takes every form a config can have."""
        for other in (*others, values):
            self._take(as_mapping(other))
        self._tell()

    def _own(self) -> dict[str, Any]:
        """What was set, without what a kind of document adds when it is read."""
        return dict(dict.items(self))

    def _take(self, values: Mapping[Any, Any]) -> None:
        for key, value in values.items():
            name = _name(key)
            dict.__setitem__(self, name, kept(value, self, name))

    def _may_change(self, top: str) -> bool:
        """Whether what stands under a top-level key may be changed."""
        return True

    def _tell(self) -> None:
        self._on_change(self)


def plain(value: Any) -> Any:
    """A value whose sections are plain dicts."""
    return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def to_json(
    value: object, *, on_odd: Callable[[str, str], None] | None = None, path: str = "", above: tuple[int, ...] = ()
) -> Any:
    """A value in the terms of JSON. Never raises.

    Args:
        value: anything.
        on_odd: called with path and type name of what is kept only as text.
        path: where the value stands.
        above: the ids of what it stands in: 30 levels deep, or inside itself, only text is kept.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value).encode(errors="replace").decode()
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 64 else _text(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _non_finite(value)
    if id(value) in above:
        return _RECURSIVE
    if len(above) < MAX_DEPTH:
        try:
            return _container_to_json(value, on_odd, path, (*above, id(value)))
        except _Plain:
            pass
        except Exception:  # an object whose own methods fail is kept as text, like any other odd one
            if on_odd is not None:
                on_odd(path, type(value).__name__)
            return _text(value)
    is_speaking = type(value).__module__ in _SPEAKING and type(value) is not object
    if on_odd is not None and not is_speaking:
        on_odd(path, type(value).__name__)
    return _text(value)


class _Plain(Exception):
    """A value is no container."""


def _container_to_json(
    value: object, on_odd: Callable[[str, str], None] | None, path: str, above: tuple[int, ...]
) -> Any:
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item, on_odd=on_odd, path=path, above=above) for item in value]
    mapping = structured(value)
    if mapping is not None:
        return {
            _name(key): to_json(item, on_odd=on_odd, path=f"{path}.{_name(key)}" if path else _name(key), above=above)
            for key, item in list(mapping.items())  # another thread may change it meanwhile
        }
    if isinstance(value, Enum):
        return to_json(value.value, on_odd=on_odd, path=path, above=above)
    if type(value).__module__ == "decimal":
        return to_json(float(cast(Any, value)), on_odd=on_odd, path=path, above=above)
    listed = getattr(value, "tolist", None)  # numpy, torch, jax: scalars and arrays
    if callable(listed) and not isinstance(value, type):
        return to_json(listed(), on_odd=on_odd, path=path, above=above)
    raise _Plain


def kept(value: Any, document: Document | None, top: str, above: tuple[int, ...] = ()) -> Any:
    """A value as it is kept in a section: structured ones as sections, others as they are."""
    try:
        mapping = structured(value)
        items: Iterable[tuple[Any, Any]] | None = None if mapping is None else list(mapping.items())
    except Exception:  # an odd object: to_json keeps its text
        return value
    if items is None:
        return value
    if id(value) in above or len(above) >= MAX_DEPTH:
        return _RECURSIVE
    section = Section(document, top)
    for key, item in items:
        dict.__setitem__(section, _name(key), kept(item, document, top, (*above, id(value))))
    return section


def _name(key: object) -> str:
    if type(key) is str:
        return key
    return _text(key)


def _text(value: object) -> str:
    try:
        return str(value)[:_MAX_TEXT_CHARS].encode(errors="replace").decode()
    except Exception:
        return f"<{type(value).__name__}>"


def _non_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
