"""Segmentation masks over an image: a class id a pixel, as a grey PNG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runstream.errors import InvalidField
from runstream.values.arrays import as_array
from runstream.values.boxes import check_class_labels
from runstream.values.media import FileSink, as_text, media_path
from runstream.values.png import encode_png

_FOLDER = "images/mask"


@dataclass(frozen=True)
class Mask:
    """One checked layer: the PNG's bytes or the path of an image, and the names of its classes."""

    content: bytes | Path
    class_labels: dict[str, str]

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """``{"_type": "mask", "path", "sha256", "size", "class_labels"}``."""
        if isinstance(self.content, Path):
            path = media_path(_FOLDER, key, step, self.content.suffix.lstrip(".") or "png")
            entry = files.add_file(self.content, path, "image/png")
        else:
            entry = files.add_bytes(self.content, media_path(_FOLDER, key, step, "png"), "image/png")
        return {"_type": "mask", **entry, "class_labels": self.class_labels}


def check_masks(layers: object) -> dict[str, Mask]:
    """Layers of masks: ``{layer: {"mask_data": integers 0–255 [H, W], "class_labels": {…}}}``.

    Instead of ``mask_data`` there may be ``path``, of an image whose grey values are the class ids. Without
    ``class_labels`` the classes found are named ``class_ID``.

    Raises:
        InvalidField: names the layer and what is wrong with it.
    """
    if not isinstance(layers, Mapping):
        raise InvalidField("masks", f"must be a dict, not {type(layers).__name__}")
    return {as_text(layer): _mask(content, f"masks[{layer!r}]") for layer, content in layers.items()}


def _mask(content: object, field: str) -> Mask:
    if not isinstance(content, Mapping):
        raise InvalidField(field, f"must be a dict, not {type(content).__name__}")
    labels = check_class_labels(content.get("class_labels"), field)
    if content.get("path") is not None:
        path = Path(content["path"])
        if not path.is_file():
            raise InvalidField(f"{field}['path']", f"there is no file {str(path)!r}")
        return Mask(path.absolute(), labels)
    if content.get("mask_data") is None:
        raise InvalidField(field, "must have mask_data or path")
    import numpy as np

    field = f"{field}['mask_data']"
    ids = as_array(content["mask_data"], field)
    if ids.ndim == 3 and 1 in (ids.shape[0], ids.shape[2]):
        ids = ids[0] if ids.shape[0] == 1 else ids[:, :, 0]
    if ids.ndim != 2 or not ids.size:
        raise InvalidField(field, f"must be two-dimensional and not empty, its shape is {ids.shape}")
    found = np.unique(ids)
    if not (found[0] >= 0 and found[-1] <= 255) or (found != found.astype(np.uint8)).any():
        raise InvalidField(field, f"must hold class ids, integers of 0 to 255, has {found[0]} to {found[-1]}")
    names = labels or {str(int(class_id)): f"class_{int(class_id)}" for class_id in found}
    return Mask(encode_png(ids.astype(np.uint8)[:, :, None]), names)
