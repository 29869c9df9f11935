"""Layers over an image: checked when the image is made, with an error that names the box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from support.files import logged
from support.tensors import Tensor

from runstream.errors import InvalidField
from runstream.values.image import Image

PIXELS = np.zeros((10, 20, 3), np.uint8)
CORNERS = {"minX": 0.1, "maxX": 0.2, "minY": 0.3, "maxY": 0.4}


def test_boxes_as_fractions_and_pixels() -> None:
    boxes = {
        "predictions": {
            "box_data": [
                {
                    "position": CORNERS,
                    "class_id": np.int64(1),
                    "scores": {"iou": np.float32(0.5)},
                    "box_caption": "cat",
                },
                {"position": {"middle": np.array([15, 2]), "width": 3, "height": 4}, "domain": "pixel", "class_id": 2},
            ],
            "class_labels": {1: "cat", np.int32(2): "dog"},
        },
        "truth": {"box_data": []},
    }
    entry, files = logged(Image(PIXELS, boxes=boxes), "seen", 4)
    layer = entry["boxes"]["predictions"]
    assert layer["_type"] == "boxes2D"
    assert layer["path"] == f"media/metadata/boxes2D/seen_predictions_4_{layer['sha256'][:20]}.boxes2D.json"
    assert files.json_of(layer) == {
        "box_data": [
            {"position": CORNERS, "class_id": 1, "box_caption": "cat", "scores": {"iou": 0.5}},
            {"position": {"middle": [15, 2], "width": 3, "height": 4}, "domain": "pixel", "class_id": 2},
        ],
        "class_labels": {"1": "cat", "2": "dog"},
    }
    assert files.json_of(entry["boxes"]["truth"]) == {"box_data": [], "class_labels": {}}


def box(**changes: Any) -> dict[str, Any]:
    return {"layer": {"box_data": [{"position": CORNERS}, {"position": CORNERS, "class_id": 1, **changes}]}}


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([], None),
        ([1], r"boxes: must be a dict, not list"),
        ({"layer": 1}, r"boxes\['layer'\]: must be a dict, not int"),
        ({"layer": {}}, r"boxes\['layer'\]\['box_data'\]: must be a list of boxes, not NoneType"),
        (box(domain="percent"), r"\['box_data'\]\[1\]\['domain'\]: must be 'pixel', or absent for fractions"),
        (box(position={"minX": 1}), r"must have minX, maxX, minY, maxY, or middle, width, height, has minX"),
        (box(position=CORNERS | {"minX": 0.9}), r"minX 0.9 is above maxX 0.2"),
        (box(position=CORNERS | {"maxX": 90}), r"90 is no fraction of the image; pixels need domain='pixel'"),
        (box(position=CORNERS | {"maxX": float("nan")}), r"\['maxX'\]: must be finite, is nan"),
        (box(position={"middle": 1, "width": 1, "height": 1}), r"\['middle'\]: must be \[x, y\], not 1"),
        (box(position={"middle": [0, 0], "width": -1, "height": 1}), r"\['width'\]: must not be negative, is -1"),
        (box(class_id=1.5), r"\['class_id'\]: must be an integer, is 1.5"),
        (box(class_id="cat"), r"\['class_id'\]: must be a number, not str"),
        (box(scores={"p": "high"}), r"\['scores'\]\['p'\]: must be a number, not str"),
        ({"layer": {"box_data": [], "class_labels": {"cat": 1}}}, r"a key of .*class_labels.*must be a number"),
    ],
)
def test_a_wrong_box_is_named(boxes: Any, message: str | None) -> None:
    if message is None:
        Image(PIXELS, boxes=boxes)
        return
    with pytest.raises(InvalidField, match=message):
        Image(PIXELS, boxes=boxes)


def test_detectors_may_point_a_little_outside() -> None:
    Image(PIXELS, boxes=box(position={"minX": -0.1, "maxX": 1.1, "minY": 0, "maxY": 1}))


@pytest.mark.parametrize("as_given", [lambda ids: ids, lambda ids: ids[:, :, None], lambda ids: Tensor(ids[None])])
def test_masks_are_grey_images_of_class_ids(as_given: Any) -> None:
    ids = np.arange(200).reshape(10, 20) % 3
    image = Image(PIXELS, masks={"truth": {"mask_data": as_given(ids), "class_labels": {0: "none", 1: "cat"}}})
    entry, files = logged(image, "seen", 4)
    layer = entry["masks"]["truth"]
    assert (layer["_type"], layer["class_labels"]) == ("mask", {"0": "none", "1": "cat"})
    assert layer["path"] == f"media/images/mask/seen_truth_4_{layer['sha256'][:20]}.png"
    with PIL.Image.open(files.opened(layer)) as found:
        assert found.mode == "L"
        assert np.array_equal(np.asarray(found), ids)


def test_masks_without_labels_name_the_classes_found() -> None:
    entry, _ = logged(Image(PIXELS, masks={"m": {"mask_data": np.array([[0, 200], [7, 7]])}}))
    assert entry["masks"]["m"]["class_labels"] == {"0": "class_0", "7": "class_7", "200": "class_200"}


def test_masks_from_files(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    PIL.Image.fromarray(PIXELS[:, :, 0]).save(path)
    entry, files = logged(Image(PIXELS, masks={"m": {"path": str(path)}}))
    assert files.of(entry["masks"]["m"]) == path.read_bytes()


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([1], "masks: must be a dict, not list"),
        ({"m": 1}, r"masks\['m'\]: must be a dict, not int"),
        ({"m": {}}, "must have mask_data or path"),
        ({"m": {"path": "/nonexistent"}}, "there is no file '/nonexistent'"),
        ({"m": {"mask_data": np.zeros(4)}}, r"must be two-dimensional and not empty, its shape is \(4,\)"),
        ({"m": {"mask_data": np.array([[0, 256]])}}, "integers of 0 to 255, has 0 to 256"),
        ({"m": {"mask_data": np.array([[-1, 1]])}}, "integers of 0 to 255, has -1 to 1"),
        ({"m": {"mask_data": np.array([[0.5]])}}, "integers of 0 to 255, has 0.5 to 0.5"),
        ({"m": {"mask_data": np.array([[0.0, np.nan]])}}, "integers of 0 to 255, has 0.0 to nan"),
    ],
)
def test_a_wrong_mask_is_named(masks: Any, message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        Image(PIXELS, masks=masks)
