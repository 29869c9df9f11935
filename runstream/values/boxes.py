"""Bounding boxes on an image. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from runstream.errors import InvalidField
from runstream.values.media import as_text

_CORNERS = ("minX", "maxX", "minY", "maxY")
# Detectors predict a little outside of the image; further out than this, the numbers are pixels without saying so.
_FRACTION_LIMITS = (-1.0, 2.0)


def check_boxes(layers: object) -> dict[str, dict[str, Any]]:
    """Layers of boxes in the terms of JSON: ``{layer: {"box_data": […], "class_labels": {…}}}``, a copy.

    A box has ``position``: ``minX, maxX, minY, maxY``, or ``middle: [x, y], width, height``; fractions of the
    image's sides, or pixels with ``domain: "pixel"``. It may have ``class_id`` (integer), ``box_caption`` (text)
    and ``scores`` (names to numbers).

    Raises:
        InvalidField: names layer, box and what is wrong with it.
    """
    checked = {}
    for layer, content in _mapping(layers, "boxes").items():
        field = f"boxes[{layer!r}]"
        content = _mapping(content, field)
        boxes = content.get("box_data")
        if isinstance(boxes, (str, bytes)) or not isinstance(boxes, Sequence):
            raise InvalidField(f"{field}['box_data']", f"must be a list of boxes, not {type(boxes).__name__}")
        checked[as_text(layer)] = {
            "box_data": [_box(box, f"{field}['box_data'][{index}]") for index, box in enumerate(boxes)],
            "class_labels": check_class_labels(content.get("class_labels"), field),
        }
    return checked


def check_class_labels(labels: object, field: str) -> dict[str, str]:
    """Names of classes by id, ids as text since JSON has no other keys."""
    field = f"{field}['class_labels']"
    checked = {}
    for class_id, name in _mapping({} if labels is None else labels, field).items():
        checked[str(_integer(class_id, f"a key of {field}"))] = as_text(name)
    return checked


def _box(box: object, field: str) -> dict[str, Any]:
    box = _mapping(box, field)
    domain = box.get("domain")
    if domain not in (None, "pixel"):
        raise InvalidField(f"{field}['domain']", f"must be 'pixel', or absent for fractions, not {domain!r}")
    checked: dict[str, Any] = {"position": _position(box.get("position"), f"{field}['position']", domain is None)}
    if domain is not None:
        checked["domain"] = domain
    if box.get("class_id") is not None:
        checked["class_id"] = _integer(box["class_id"], f"{field}['class_id']")
    if box.get("box_caption") is not None:
        checked["box_caption"] = as_text(box["box_caption"])
    if box.get("scores") is not None:
        scores = _mapping(box["scores"], f"{field}['scores']")
        checked["scores"] = {
            as_text(name): _number(score, f"{field}['scores'][{name!r}]") for name, score in scores.items()
        }
    return checked


def _position(position: object, field: str, is_fraction: bool) -> dict[str, Any]:
    position = _mapping(position, field)
    if all(name in position for name in _CORNERS):
        corners = {name: _number(position[name], f"{field}[{name!r}]") for name in _CORNERS}
        for low, high in (("minX", "maxX"), ("minY", "maxY")):
            if corners[low] > corners[high]:
                raise InvalidField(field, f"{low} {corners[low]:g} is above {high} {corners[high]:g}")
        checked: dict[str, Any] = corners
        numbers = list(corners.values())
    elif all(name in position for name in ("middle", "width", "height")):
        middle = position["middle"]
        middle = middle.tolist() if callable(getattr(middle, "tolist", None)) else middle
        if not isinstance(middle, (list, tuple)) or len(middle) != 2:
            raise InvalidField(f"{field}['middle']", f"must be [x, y], not {middle!r:.80}")
        numbers = [_number(each, f"{field}['middle']") for each in middle]
        checked = {"middle": numbers[:]}
        for name in ("width", "height"):
            checked[name] = _number(position[name], f"{field}[{name!r}]")
            if checked[name] < 0:
                raise InvalidField(f"{field}[{name!r}]", f"must not be negative, is {checked[name]:g}")
            numbers.append(checked[name])
    else:
        wanted = "minX, maxX, minY, maxY, or middle, width, height"
        raise InvalidField(field, f"must have {wanted}, has {', '.join(map(str, position)) or 'nothing'}")
    low_limit, high_limit = _FRACTION_LIMITS
    odd = next((number for number in numbers if is_fraction and not low_limit <= number <= high_limit), None)
    if odd is not None:
        raise InvalidField(field, f"{odd:g} is no fraction of the image", next_step="pixels need domain='pixel'")
    return checked


def _mapping(value: object, field: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidField(field, f"must be a dict, not {type(value).__name__}")
    return value


def _number(value: Any, field: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidField(field, f"must be a number, not {type(value).__name__}") from None
    if not math.isfinite(number):
        raise InvalidField(field, f"must be finite, is {number}")
    return number


def _integer(value: Any, field: str) -> int:
    number = _number(value, field)
    if number != int(number):
        raise InvalidField(field, f"must be an integer, is {number:g}")
    return int(number)
