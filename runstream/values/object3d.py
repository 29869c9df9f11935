"""``runstream.Object3D``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from runstream.errors import InvalidField
from runstream.values.arrays import as_array
from runstream.values.media import FileSink, Value, as_caption, media_path
from runstream.values.plain import NotPlain, plain
from runstream.values.sources import Source, add_source, existing, is_stream, known_suffix, read_all

if TYPE_CHECKING:
    import numpy as np

_POINTS = "pts.json"
_SCENE = "lidar/beta"


class Object3D(Value):
    """Points in space, or a model in one of the common file formats.

    Args:
        data_or_path: points as an array ``N × 3`` (x y z), ``N × 4`` (x y z category) or ``N × 6`` (x y z red green
            blue, 0–255); a scene ``{"type": "lidar/beta", "points", "boxes", "vectors"}``; a path whose suffix
            is one of ``SUPPORTED_TYPES``; or an open file. Points that are not finite are left out and counted.
        caption: text below the viewer.
        file_type: the format of an open file.

    Raises:
        InvalidField: an argument cannot be used; names it and says what was given.
    """

    SUPPORTED_TYPES: ClassVar[frozenset[str]] = frozenset(("obj", "gltf", "glb", "babylon", "stl", _POINTS))
    SUPPORTED_POINT_CLOUD_TYPES: ClassVar[frozenset[str]] = frozenset((_SCENE,))
    group: ClassVar[tuple[str, str] | None] = ("object3D", "objects")

    def __init__(self, data_or_path: Any, caption: str | None = None, file_type: str | None = None) -> None:
        self.caption = as_caption(caption)
        self.non_finite = 0
        self.format = _POINTS
        self._source: Source
        if isinstance(data_or_path, (str, os.PathLike)):
            self._source = existing(data_or_path, "data_or_path")
            self.format = known_suffix(self._source.name, self.SUPPORTED_TYPES, "data_or_path")
        elif is_stream(data_or_path):
            self.format = known_suffix(file_type or "", self.SUPPORTED_TYPES, "file_type")
            self._source = read_all(data_or_path)
        elif isinstance(data_or_path, Mapping):
            self._source = json.dumps(self._scene(data_or_path)).encode()
        else:
            self._source = json.dumps(self._points(data_or_path, "data_or_path")).encode()

    @classmethod
    def from_numpy(cls, data: Any, caption: str | None = None) -> Object3D:
        """Points as an array; see the class."""
        return cls(as_array(data, "data"), caption)

    @classmethod
    def from_file(cls, data_or_path: Any, file_type: str | None = None, caption: str | None = None) -> Object3D:
        """A path or an open file; see the class."""
        return cls(data_or_path, caption, file_type)

    @classmethod
    def from_point_cloud(
        cls,
        points: Any,
        boxes: Sequence[Mapping[str, Any]],
        vectors: Sequence[Mapping[str, Any]] | None = None,
        point_cloud_type: str = _SCENE,
    ) -> Object3D:
        """A scene: points, boxes (``corners`` 8 × 3, ``color``, ``label``) and vectors (``start``, ``end``)."""
        return cls({"type": point_cloud_type, "points": points, "boxes": boxes, "vectors": vectors or []})

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """``{"_type": "object3D-file", "path", "sha256", "size", "format"}``; ``caption`` and ``non_finite`` if any."""
        path = media_path("object3D", key, step, self.format)
        entry = add_source(files, self._source, path, "application/octet-stream")
        caption = {} if self.caption is None else {"caption": self.caption}
        left_out = {"non_finite": self.non_finite} if self.non_finite else {}
        return {"_type": "object3D-file", **entry, "format": self.format, **caption, **left_out}

    def _points(self, data: Any, field: str) -> list[list[float]]:
        import numpy as np

        points = as_array(data, field)
        if points.ndim != 2 or points.shape[1] not in (3, 4, 6):
            raise InvalidField(field, f"points must be N × 3, N × 4 or N × 6, their shape is {points.shape}")
        is_finite: np.ndarray[Any, Any] = np.isfinite(points).all(axis=1)
        self.non_finite += int(len(points) - is_finite.sum())
        found: list[list[float]] = points[is_finite].tolist()
        return found

    def _scene(self, scene: Mapping[str, Any]) -> dict[str, Any]:
        kind = scene.get("type")
        if kind not in self.SUPPORTED_POINT_CLOUD_TYPES:
            raise InvalidField("data_or_path['type']", f"must be {_SCENE!r}, not {kind!r:.40}")
        points = scene.get("points", ())
        kept: dict[str, Any] = {"type": kind}
        kept["points"] = self._points(points, "data_or_path['points']") if len(points) else []
        for name in ("boxes", "vectors"):
            try:
                kept[name] = plain(list(scene.get(name, ())))
            except NotPlain as error:
                raise InvalidField(f"data_or_path[{name!r}]", str(error)) from error
        return kept
