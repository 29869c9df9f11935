"""Image files: what is known of them, and how Pillow and matplotlib make them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runstream.errors import InvalidField
from runstream.values.arrays import comes_from
from runstream.values.optional import pillow
from runstream.values.png import png_size

_TYPES = ("png", "jpg", "jpeg", "bmp", "gif", "webp")
# First bytes of the files that browsers show.
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"BM": "bmp"}
_HEAD_BYTES = 4096
# PIL modes that a file type holds; others are converted to the first.
_MODES = {
    "png": ("RGBA", "RGB", "L", "LA", "1", "P", "I;16"),
    "gif": ("RGB", "RGBA", "L", "P"),
    "webp": ("RGBA", "RGB"),
}
_OPAQUE = ("RGB", "L")


@dataclass(frozen=True)
class Picture:
    """An encoded image: bytes or the path they are read from, file suffix, and size where known."""

    content: bytes | Path
    format: str
    width: int | None
    height: int | None


def from_bytes(data: bytes) -> Picture:
    """The image file whose bytes these are.

    Raises:
        InvalidField: they are no PNG, JPEG, GIF, BMP, WebP or SVG.
    """
    if not isinstance(data, bytes):
        raise InvalidField("data_or_path", f"must be opened for reading bytes, it gives {type(data).__name__}")
    found = _format(data[:_HEAD_BYTES])
    if found is None:
        raise InvalidField("data_or_path", f"{len(data)} bytes are no PNG, JPEG, GIF, BMP, WebP or SVG file")
    return Picture(data, found, *_size(data[:_HEAD_BYTES], io.BytesIO(data)))


def from_path(path: Path) -> Picture:
    """The image file at a path. It is read again, and copied, when it is logged.

    Raises:
        InvalidField: there is none, or it is no image of a known type.
    """
    if not path.is_file():
        raise InvalidField("data_or_path", f"there is no file {str(path)!r}")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    found = _format(head)
    if found is None:
        raise InvalidField("data_or_path", f"{str(path)!r} is no PNG, JPEG, GIF, BMP, WebP or SVG file")
    return Picture(path.absolute(), found, *_size(head, path))


def from_pillow(image: Any, mode: str | None, file_type: str) -> Picture:
    """A PIL image, encoded.

    Raises:
        InvalidField: Pillow knows no such file type or mode.
    """
    if file_type not in _TYPES:
        raise InvalidField("file_type", f"must be one of {', '.join(_TYPES)}, not {file_type!r}")
    kind = "jpg" if file_type == "jpeg" else file_type
    modes = _MODES.get(kind, _OPAQUE)
    buffer = io.BytesIO()
    try:
        if mode is not None and image.mode != mode:
            image = image.convert(mode)
        if image.mode not in modes:
            image = image.convert(modes[0])
        image.save(buffer, "JPEG" if kind == "jpg" else kind.upper())
    except (ValueError, OSError) as error:
        raise InvalidField("data_or_path", f"Pillow cannot write it as {mode or image.mode} {kind}: {error}") from error
    return Picture(buffer.getvalue(), kind, image.width, image.height)


def encoded(picture: Picture, mode: str | None, file_type: str | None) -> Picture:
    """The picture itself, or Pillow's conversion of it where another mode or type is wanted."""
    kind = "jpg" if file_type == "jpeg" else file_type
    if mode is None and kind in (None, picture.format):
        return picture
    images = pillow(f"converting a {picture.format} image")
    source = picture.content if isinstance(picture.content, Path) else io.BytesIO(picture.content)
    with images.open(source) as image:
        image.load()
        return from_pillow(image, mode, kind or picture.format)


def is_drawing(value: object) -> bool:
    """Whether a value is a figure, axes or other artist of matplotlib, a seaborn grid, or the pyplot module."""
    if comes_from(value, "matplotlib") or comes_from(value, "seaborn"):
        return not isinstance(value, type)
    return getattr(value, "__name__", "") == "matplotlib.pyplot"


def drawn(plot: Any) -> Picture:
    """A matplotlib figure (or axes, or the pyplot module's current figure) as PNG, as it is drawn now."""
    figure = plot.gcf() if callable(getattr(plot, "gcf", None)) else plot
    if not callable(getattr(figure, "savefig", None)):
        figure = getattr(figure, "figure", None)
    if figure is None:
        raise InvalidField("data_or_path", f"a {type(plot).__name__} of matplotlib belongs to no figure")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return from_bytes(buffer.getvalue())


def _format(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.lstrip().startswith((b"<svg", b"<?xml")) and b"<svg" in head:
        return "svg"
    return next((name for start, name in _SIGNATURES.items() if head.startswith(start)), None)


def _size(head: bytes, source: Any) -> tuple[int | None, int | None]:
    if size := png_size(head):
        return size
    if _format(head) == "svg":
        return None, None
    try:
        with pillow("the size of an image").open(source) as image:
            return int(image.width), int(image.height)
    except Exception:  # no Pillow, or a file that it cannot or will not read: browsers may
        return None, None
