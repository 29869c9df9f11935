"""Images: every source, layout and range of numbers becomes the pixels it means."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support.files import logged
from support.processes import environ
from support.tensors import Tensor

from runstream.errors import InvalidField
from runstream.values.group import Group
from runstream.values.image import Image
from runstream.values.pixels import to_bytes
from runstream.values.png import encode_png

matplotlib.use("agg")
RNG = np.random.default_rng(1)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def shown(image: Image, **kwargs: Any) -> np.ndarray[Any, Any]:
    """The pixels that a viewer shows, read by Pillow."""
    entry, files = logged(image, **kwargs)
    return np.asarray(PIL.Image.open(files.opened(entry)))


def test_the_json_is_that_of_wandb() -> None:
    entry, files = logged(Image(RGB, caption="a cat"), "val/sample", 3)
    assert entry.pop("path") == f"media/images/val/sample_3_{entry['sha256'][:20]}.png"
    assert entry.pop("size") == len(next(iter(files.content.values())))
    assert len(entry.pop("sha256")) == 64
    assert entry == {"_type": "image-file", "format": "png", "width": 7, "height": 5, "caption": "a cat"}
    assert list(files.media_types.values()) == ["image/png"]


@given(arrays.arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 2, st.integers(1, 4))))
def test_our_png_is_what_pillow_reads(pixels: np.ndarray[Any, Any]) -> None:
    with PIL.Image.open(io.BytesIO(encode_png(pixels))) as image:
        image.load()
        assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4)])
def test_layouts_of_arrays(shape: tuple[int, ...]) -> None:
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(shown(Image(pixels)), pixels[:, :, 0] if shape[-1] == 1 else pixels)


@pytest.mark.parametrize("state", [{}, {"on_graph": True}, {"on_gpu": True}, {"on_graph": True, "on_gpu": True}])
def test_tensors_are_channels_first(state: dict[str, bool]) -> None:
    assert np.array_equal(shown(Image(Tensor(RGB.transpose(2, 0, 1), **state))), RGB)
    assert np.array_equal(shown(Image(Tensor(RGB[:, :, 0], **state))), RGB[:, :, 0])


def test_where_both_orders_fit_the_library_decides() -> None:
    pixels = RNG.integers(0, 256, (3, 5, 3), dtype=np.uint8)
    assert np.array_equal(shown(Image(pixels)), pixels)
    assert np.array_equal(shown(Image(Tensor(pixels))), pixels.transpose(1, 2, 0))
    assert np.array_equal(shown(Image(RGB.transpose(2, 0, 1))), RGB)  # an array that can only be channels first


def test_a_batch_is_a_grid_of_eight_columns() -> None:
    batch = RNG.integers(1, 256, (11, 3, 4, 6), dtype=np.uint8)
    grid = shown(Image(Tensor(batch)))
    assert grid.shape == (4 + 2 + 4, 8 * 6 + 7 * 2, 3)
    assert np.array_equal(grid[6:10, 16:22], batch[10].transpose(1, 2, 0))
    assert not grid[4:6].any()


RANGES: dict[str, tuple[Any, list[int]]] = {
    "bool": (np.array([False, True]), [0, 255]),
    "uint8": (np.array([0, 1, 255], np.uint8), [0, 1, 255]),
    "uint16 of 16 bits": (np.array([0, 257, 65535], np.uint16), [0, 1, 255]),
    "uint16 of 8 bits": (np.array([0, 255], np.uint16), [0, 255]),
    "int8": (np.array([-5, 127], np.int8), [0, 127]),
    "int64": (np.array([-5, 3, 300]), [0, 3, 255]),
    "uint64": (np.array([1, (1 << 64) - 1], np.uint64), [1, 255]),
    "0 to 1": (np.array([0.0, 0.5, 1.0]), [0, 128, 255]),
    "-1 to 1": (np.array([-1.0, 0.0, 1.0]), [0, 128, 255]),
    "0 to 255": (np.array([0.4, 99.6, 255.0]), [0, 100, 255]),
    "beyond": (np.array([-7.0, 1000.0]), [0, 255]),
    "half": (np.array([0, 1], np.float16), [0, 255]),
    "non-finite": (np.array([np.nan, np.inf, -np.inf, 0.0, 1.0]), [0, 255, 0, 0, 255]),
    "all non-finite": (np.array([np.nan]), [0]),
    "past float32": (np.array([1e300, -1e300]), [255, 0]),
}


@pytest.mark.parametrize("name", RANGES)
def test_ranges_of_numbers(name: str) -> None:
    values, expected = RANGES[name]
    assert to_bytes(values).tolist() == expected


def test_without_normalization_numbers_are_what_they_say() -> None:
    assert to_bytes(np.array([0.0, 0.6, 1.0, 300.0]), normalize=False).tolist() == [0, 1, 1, 255]
    assert to_bytes(np.array([257], np.uint16), normalize=False).tolist() == [255]


def test_an_image_is_a_copy() -> None:
    pixels = RGB.copy()
    image = Image(pixels)
    pixels[:] = 0
    assert np.array_equal(shown(image), RGB)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "CMYK", "F", "I"])
def test_pil_images_of_every_mode(mode: str) -> None:
    picture = PIL.Image.fromarray(RGB).convert("L" if mode in "FI" else "RGB").convert(mode)
    entry, files = logged(Image(picture))
    assert (entry["width"], entry["height"], entry["format"]) == (7, 5, "png")
    with PIL.Image.open(files.opened(entry)) as found:
        assert found.size == (7, 5)
        if mode in ("RGB", "RGBA", "L", "LA", "1"):
            assert np.array_equal(np.asarray(found), np.asarray(picture))


@pytest.mark.parametrize("file_type", ["png", "jpg", "jpeg", "bmp", "gif", "webp"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_file_types(file_type: str, channels: int) -> None:
    entry, files = logged(Image(RNG.random((5, 7, channels)), file_type=file_type))
    with PIL.Image.open(files.opened(entry)) as found:
        assert (found.format or "").lower() == {"jpg": "jpeg"}.get(file_type, file_type)
        assert found.size == (7, 5)


def test_pil_images_of_numbers_have_a_range_like_arrays() -> None:
    numbers = np.array([[0.0, 0.5, 1.0]], np.float32)
    assert shown(Image(PIL.Image.fromarray(numbers))).tolist() == [[0, 128, 255]]
    assert shown(Image(PIL.Image.fromarray(np.array([[3, 300]], np.int32)))).tolist() == [[3, 255]]


def test_text_that_is_no_unicode_is_kept_as_far_as_it_goes() -> None:
    odd = "a\ud800"
    boxes = {odd: {"box_data": [], "class_labels": {1: odd}}}
    entry, _ = logged(Image(RGB, caption=odd, boxes=boxes, masks={odd: {"mask_data": RGB[:, :, 0]}}), odd)
    assert entry["caption"] == "a?"
    assert list(entry["boxes"]) == list(entry["masks"]) == ["a?"]


def test_modes_convert() -> None:
    assert shown(Image(RGB, mode="L")).shape == (5, 7)
    assert shown(Image(RGB[:, :, 0], mode="RGB")).shape == (5, 7, 3)
    assert shown(Image(PIL.Image.fromarray(RGB), mode="RGBA")).shape == (5, 7, 4)


def test_files_are_kept_byte_for_byte(tmp_path: Path) -> None:
    for suffix in ("png", "jpeg", "gif", "bmp", "webp"):
        path = tmp_path / f"picture.{suffix}"
        PIL.Image.fromarray(RGB).save(path)
        sources: list[Any] = [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())]
        for source in sources:
            entry, files = logged(Image(source))
            assert files.of(entry) == path.read_bytes()
            assert (entry["width"], entry["height"]) == (7, 5)
            assert entry["format"] == {"jpeg": "jpg"}.get(suffix, suffix)
    converted, _ = logged(Image(path, file_type="png", mode="L"))
    assert converted["format"] == "png"


def test_svg_is_kept() -> None:
    entry, files = logged(Image(b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'))
    assert entry["format"] == "svg"
    assert "width" not in entry
    assert list(files.media_types.values()) == ["image/svg+xml"]


def test_figures_are_drawn_when_the_image_is_made() -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(2, 1), dpi=50)
    try:
        axes.plot([0, 1])
        images = [Image(figure), Image(axes), Image(pyplot), Image(axes.lines[0])]
        figure.clear()
    finally:
        pyplot.close(figure)
    drawings = [shown(image) for image in images]
    assert all(np.array_equal(drawings[0], drawing) for drawing in drawings)
    assert drawings[0].shape == (50, 100, 4)
    assert drawings[0].min() < 255


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("/nonexistent.png", "data_or_path: there is no file '/nonexistent.png'"),
        (b"no image", "8 bytes are no PNG"),
        (io.StringIO("text"), "must be opened for reading bytes, it gives str"),
        (np.zeros((5, 7, 5)), r"no dimension of 1 to 4 channels: its shape is \(5, 7, 5\)"),
        (np.zeros(5), r"must have 2, 3 or 4 dimensions, not the shape \(5,\)"),
        (np.zeros((0, 7, 3)), "has no pixels"),
        (np.zeros((1, 65_501), np.uint8), "65501 × 1 pixels, the limit is 65500"),
        (np.array([["a"]]), "must hold numbers, not <U1"),
        (np.zeros((2, 2), complex), "must hold numbers, not complex128"),
        (object(), "must hold numbers, not object"),
        (None, "must hold numbers"),
    ],
)
def test_what_is_no_image_is_told(data: Any, message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        Image(data)


def test_arguments_that_cannot_be_are_named() -> None:
    with pytest.raises(InvalidField, match=r"file_type: must be one of .* not 'tiff'"):
        Image(RGB, file_type="tiff")
    with pytest.raises(InvalidField, match="Pillow cannot write it as nothing"):
        Image(RGB, mode="nothing")
    with pytest.raises(InvalidField, match="classes: must be a list"):
        Image(RGB, classes=[{"id": 1}])


def test_a_file_that_goes_before_it_is_logged_is_named(tmp_path: Path) -> None:
    from runstream.values.files import SpoolFiles

    path = tmp_path / "picture.png"
    PIL.Image.fromarray(RGB).save(path)
    image = Image(path)
    path.unlink()
    with pytest.raises(InvalidField, match="there is no file"):
        image.to_json(SpoolFiles(tmp_path), "a", 0)


def test_a_list_is_one_value() -> None:
    images = [Image(RGB, caption="first"), Image(RGB[:, ::-1]), Image(RGB, masks={"m": {"mask_data": RGB[:, :, 0]}})]
    entry, files = logged(Group(images), "grid", 5)
    assert {name: entry[name] for name in ("_type", "count", "width", "height", "format", "captions")} == {
        "_type": "images/separated",
        "count": 3,
        "width": 7,
        "height": 5,
        "format": "png",
        "captions": ["first", "", ""],
    }
    assert entry["filenames"] == [item["path"] for item in entry["images"]]
    assert [mask is None for mask in entry["all_masks"]] == [True, True, False]
    assert "all_boxes" not in entry
    assert len(files.content) == 3  # two images, of which one is listed twice, and a mask


def test_an_image_without_pillow() -> None:
    """A process without site-packages but numpy: arrays work, and what does not says which command helps."""
    code = f"""
import sys, json
sys.path.append({str(Path(np.__file__).parents[1])!r})
sys.modules["PIL"] = None
import numpy as np
from runstream.values.image import Image
from runstream.errors import RunstreamError
assert Image(np.zeros((4, 4, 3))).format == "png"
try:
    Image(np.zeros((4, 4, 3)), file_type="jpg")
except RunstreamError as error:
    print(json.dumps([type(error).__name__, str(error), isinstance(error, ImportError)]))
"""
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environ(), capture_output=True, text=True, check=True)
    message = "a jpg image needs Pillow; pip install 'runstream[media]'"
    assert json.loads(done.stdout) == ["ExtraMissing", message, True]
