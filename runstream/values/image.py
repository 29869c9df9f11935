"""``runstream.Image``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from runstream.errors import InvalidField
from runstream.values.arrays import comes_from
from runstream.values.boxes import check_boxes, check_class_labels
from runstream.values.masks import check_masks
from runstream.values.media import FileSink, Value, as_caption, media_path
from runstream.values.optional import pillow
from runstream.values.picture import Picture, drawn, encoded, from_bytes, from_path, from_pillow, is_drawing
from runstream.values.pixels import to_pixels
from runstream.values.png import encode_png

# PIL modes of 32-bit numbers, whose range is as open as an array's.
_NUMBER_MODES = ("F", "I")
_NATURAL_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class Image(Value):
    """An image, encoded when it is made: what happens to the array afterwards does not show.

    Args:
        data_or_path: a numpy array (``H × W``, ``H × W × 1–4``) or torch tensor (``C × H × W``, on any device, on
            the graph or off it) or a batch of them, which becomes a grid; a PIL image; a matplotlib figure, axes
            or the pyplot module; a path of an image file; an image file's bytes or a file opened for reading
            them. Layouts and ranges of numbers: ``pixels.to_pixels``.
        mode: a PIL mode, such as ``L`` or ``RGB``, to convert to; needs Pillow if the array is not so already.
        caption: text below the image.
        grouping: accepted for wandb code and kept.
        classes: ``[{"id": 1, "name": "cat"}, …]``: names of classes, for layers without ``class_labels``.
        boxes: layers of bounding boxes, see ``boxes.check_boxes``.
        masks: layers of masks, see ``masks.check_masks``.
        file_type: ``png`` (default), ``jpg``, ``jpeg``, ``bmp``, ``gif`` or ``webp``; all but png need Pillow.
        normalize: False takes numbers as 0–255, whatever their range.

    Raises:
        InvalidField: an argument cannot be used; names it and says what was given.
        ExtraMissing: Pillow is needed and not installed.
    """

    group: ClassVar[tuple[str, str] | None] = ("images/separated", "images")

    def __init__(
        self,
        data_or_path: Any,
        mode: str | None = None,
        caption: str | None = None,
        grouping: int | None = None,
        classes: Iterable[Mapping[str, Any]] | None = None,
        boxes: Mapping[str, Any] | None = None,
        masks: Mapping[str, Any] | None = None,
        file_type: str | None = None,
        normalize: bool = True,
    ) -> None:
        self.caption = as_caption(caption)
        self.grouping = grouping
        self._picture = _picture(data_or_path, mode, file_type, normalize)
        self._boxes = check_boxes(boxes) if boxes else {}
        self._masks = check_masks(masks) if masks else {}
        self._classes = _class_names(classes)

    @property
    def format(self) -> str:
        """File suffix, such as ``png``."""
        return self._picture.format

    @property
    def width(self) -> int | None:
        """Pixels; None for a file whose header could not be read."""
        return self._picture.width

    @property
    def height(self) -> int | None:
        """Pixels; None for a file whose header could not be read."""
        return self._picture.height

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """The shape of wandb's ``image-file``: ``path, sha256, size, format``, and what is known of ``width, height,
        caption, grouping, classes, boxes, masks``. A layer of boxes is a JSON file, a layer of masks a PNG.
        """
        picture = self._picture
        path = media_path("images", key, step, picture.format)
        media_type = "image/" + {"jpg": "jpeg", "svg": "svg+xml"}.get(picture.format, picture.format)
        if isinstance(picture.content, Path):
            entry = files.add_file(picture.content, path, media_type)
        else:
            entry = files.add_bytes(picture.content, path, media_type)
        known = {
            "width": picture.width,
            "height": picture.height,
            "caption": self.caption,
            "grouping": self.grouping,
            "classes": self._classes or None,
            "boxes": {
                layer: _boxes_json(content, files, f"{key}_{layer}", step) for layer, content in self._boxes.items()
            },
            "masks": {layer: mask.to_json(files, f"{key}_{layer}", step) for layer, mask in self._masks.items()},
        }
        kept = {name: value for name, value in known.items() if value not in (None, {})}
        return {"_type": "image-file", **entry, "format": picture.format, **kept}


def _picture(data: Any, mode: str | None, file_type: str | None, normalize: bool) -> Picture:
    if isinstance(data, Image):
        data = data._picture.content
    if isinstance(data, (str, os.PathLike)):
        picture = from_path(Path(data))
    elif isinstance(data, (bytes, bytearray, memoryview)):
        picture = from_bytes(bytes(data))
    elif callable(getattr(data, "read", None)):
        picture = from_bytes(data.read())
    elif is_drawing(data):
        picture = drawn(data)
    elif comes_from(data, "PIL") and (mode is not None or data.mode not in _NUMBER_MODES):
        return from_pillow(data, mode, file_type or "png")
    else:
        pixels = to_pixels(data, "data_or_path", normalize=normalize)
        if file_type in (None, "png") and mode in (None, _NATURAL_MODES[pixels.shape[2]]):
            return Picture(encode_png(pixels), "png", pixels.shape[1], pixels.shape[0])
        images = pillow(f"an image of mode {mode} and type {file_type}" if mode else f"a {file_type} image")
        natural = images.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        return from_pillow(natural, mode, file_type or "png")
    return encoded(picture, mode, file_type)


def _boxes_json(content: dict[str, Any], files: FileSink, key: str, step: int) -> dict[str, Any]:
    data = json.dumps(content, ensure_ascii=False).encode()
    path = media_path("metadata/boxes2D", key, step, "boxes2D.json")
    return {"_type": "boxes2D", **files.add_bytes(data, path, "application/json")}


def _class_names(classes: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    try:
        pairs = {entry["id"]: entry["name"] for entry in classes or ()}
    except (TypeError, KeyError):
        raise InvalidField("classes", "must be a list of {'id': …, 'name': …}") from None
    return check_class_labels(pairs, "classes")
