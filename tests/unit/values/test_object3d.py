"""Points, scenes and model files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.files import logged
from support.tensors import Tensor

from runstream.errors import InvalidField
from runstream.values.group import Group
from runstream.values.object3d import Object3D


@pytest.mark.parametrize("columns", [3, 4, 6])
def test_points(columns: int) -> None:
    points = np.arange(columns * 5, dtype=float).reshape(5, columns)
    for made in (Object3D(points), Object3D.from_numpy(Tensor(points, on_graph=True)), Object3D(points.tolist())):
        entry, files = logged(made, "cloud", 1)
        assert entry["path"] == f"media/object3D/cloud_1_{entry['sha256'][:20]}.pts.json"
        assert (entry["_type"], entry["format"]) == ("object3D-file", "pts.json")
        assert files.json_of(entry) == points.tolist()


def test_points_that_are_not_finite_are_left_out_and_counted() -> None:
    entry, files = logged(Object3D(np.array([[0, 0, 0], [np.nan, 0, 0], [1, np.inf, 0]])))
    assert (files.json_of(entry), entry["non_finite"]) == ([[0, 0, 0]], 2)


def test_scenes() -> None:
    box = {"corners": np.zeros((8, 3)), "label": "car", "color": (255, 0, 0)}
    vector = {"start": [0, 0, 0], "end": [1, 1, 1]}
    entry, files = logged(Object3D.from_point_cloud(np.ones((2, 3)), [box], [vector]))
    scene = files.json_of(entry)
    assert scene["type"] == "lidar/beta"
    assert scene["points"] == [[1, 1, 1], [1, 1, 1]]
    assert scene["boxes"] == [{"corners": [[0, 0, 0]] * 8, "label": "car", "color": [255, 0, 0]}]
    assert scene["vectors"] == [vector]
    entry, files = logged(Object3D({"type": "lidar/beta"}))
    assert files.json_of(entry) == {"type": "lidar/beta", "points": [], "boxes": [], "vectors": []}


def test_files_and_streams(tmp_path: Path) -> None:
    for suffix in ("obj", "glb", "pts.json"):
        path = tmp_path / f"model.{suffix}"
        path.write_bytes(b"mesh")
        entry, files = logged(Object3D(path, caption="chair"))
        assert (files.of(entry), entry["format"], entry["caption"]) == (b"mesh", suffix, "chair")
    entry, files = logged(Object3D.from_file(io.StringIO("mesh"), "obj"))
    assert (files.of(entry), entry["format"]) == (b"mesh", "obj")


def test_a_list_is_one_value() -> None:
    entry, _ = logged(Group([Object3D(np.zeros((1, 3))), Object3D(np.zeros((2, 3)))]))
    assert (entry["_type"], entry["count"], len(entry["objects"])) == ("object3D", 2, 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((5, 5)), r"data_or_path: points must be N × 3, N × 4 or N × 6, their shape is \(5, 5\)"),
        (np.zeros(3), r"their shape is \(3,\)"),
        ({"type": "mesh"}, r"data_or_path\['type'\]: must be 'lidar/beta', not 'mesh'"),
        ({"type": "lidar/beta", "points": [[1, 2]]}, r"data_or_path\['points'\]: points must be"),
        ({"type": "lidar/beta", "boxes": [object()]}, r"data_or_path\['boxes'\]: holds a object"),
        (__file__, r"must be one of babylon, glb, gltf, obj, pts.json, stl, not 'test_object3d.py'"),
        (io.StringIO(""), "file_type: must be one of"),
        (None, "must hold numbers"),
    ],
)
def test_arguments_that_cannot_be_are_named(data: Any, message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        Object3D(data)
