"""What ``log()`` was given, made into rows that fit a frame. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runstream.names import has_control_characters

# A schema frame and a message must stay far below the wire's 64 MiB.
MAX_KEYS_PER_ROW = 100_000
_MAX_KEY_BYTES_PER_ROW = 4 << 20
_SHOWN_KEY_CHARS = 200


def flat(data: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Walks nested mappings: ``{"a": {"b": 1}}`` gives ``("a.b", 1)``."""
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, name + ".")
        else:
            yield name, value


def shown(key: object) -> str:
    """A key as people may see it, cut."""
    text = key if isinstance(key, str) and not has_control_characters(key) else ascii(key)
    return text[:_SHOWN_KEY_CHARS]


def narrow_enough(data: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """A row, or several where one frame could not hold it."""
    if len(data) <= MAX_KEYS_PER_ROW and sum(map(len, data)) * 4 <= _MAX_KEY_BYTES_PER_ROW:
        yield data
        return
    part: dict[str, object] = {}
    room = _MAX_KEY_BYTES_PER_ROW
    for key, value in data.items():
        room -= len(key.encode())
        if part and (room < 0 or len(part) == MAX_KEYS_PER_ROW):
            yield part
            part, room = {}, _MAX_KEY_BYTES_PER_ROW - len(key.encode())
        part[key] = value
    if part:
        yield part
