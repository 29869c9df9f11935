"""A list of values of one type under one key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runstream.errors import InvalidField
from runstream.values.media import FileSink, Value


class Group(Value):
    """Several images, sounds, videos … of one key and step.

    Args:
        values: at least one, all of one type that can be listed.

    Raises:
        InvalidField: none, of several types, or of a type that stands alone.
    """

    def __init__(self, values: Sequence[Value]) -> None:
        names = sorted({type(value).__name__ for value in values})
        if len(names) != 1:
            raise InvalidField("values", f"a list must hold values of one type, not of {', '.join(names) or 'none'}")
        if values[0].group is None:
            raise InvalidField("values", f"a {names[0]} stands alone: log each of the list under a key of its own")
        self._values = list(values)
        self._type, self._field = values[0].group

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """``{"_type", "count", "filenames": […], FIELD: [each value's own JSON]}``.

        With ``captions`` if one has a caption; lists of images say also what wandb's ``images/separated`` says:
        ``width``, ``height`` and ``format`` of the first, ``all_boxes`` and ``all_masks`` where there are some.
        """
        items = [value.to_json(files, key, step) for value in self._values]
        group: dict[str, Any] = {"_type": self._type, "count": len(items)}
        group |= {name: items[0][name] for name in ("width", "height", "format") if name in items[0]}
        group["filenames"] = [item["path"] for item in items]
        if any(value.caption is not None for value in self._values):
            group["captions"] = [value.caption or "" for value in self._values]
        for name in ("boxes", "masks"):
            if any(name in item for item in items):
                group[f"all_{name}"] = [item.get(name) for item in items]
        return {**group, self._field: items}
