"""Arrays of any layout and range as 8-bit pixels. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runstream.errors import InvalidField
from runstream.values.arrays import as_array, is_tensor

if TYPE_CHECKING:
    import numpy as np

_CHANNELS = (1, 2, 3, 4)
_GRID_COLUMNS = 8
_GRID_GAP = 2
MAX_SIDE = 65_500  # the widest that JPEG and browsers take


def to_pixels(value: object, field: str, *, normalize: bool = True) -> np.ndarray[Any, Any]:
    """uint8[H, W, C] with C of 1 to 4, a copy, from an array or tensor.

    Layouts: ``H × W``; ``H × W × C``; ``C × H × W``; of a batch ``N × C × H × W`` or ``N × H × W × C`` a grid of
    eight columns. Where both orders fit, arrays are read as ``H × W × C`` and torch tensors as ``C × H × W``.

    Ranges: see ``to_bytes``.

    Raises:
        InvalidField: another shape, no numbers, or a side longer than 65,500.
    """
    array = as_array(value, field)
    if array.ndim == 2:
        array = array[:, :, None]
    elif array.ndim in (3, 4):
        array = _channels_last(array, field, prefers_first=is_tensor(value))
    else:
        raise InvalidField(field, f"must have 2, 3 or 4 dimensions, not the shape {array.shape}")
    if not array.size:
        raise InvalidField(field, f"has no pixels: its shape is {array.shape}")
    pixels = to_bytes(array, normalize=normalize)
    if pixels.ndim == 4:
        pixels = grid(pixels)
    if max(pixels.shape[:2]) > MAX_SIDE:
        raise InvalidField(field, f"is {pixels.shape[1]} × {pixels.shape[0]} pixels, the limit is {MAX_SIDE} a side")
    return pixels


def to_bytes(array: np.ndarray[Any, Any], *, normalize: bool = True) -> np.ndarray[Any, Any]:
    """uint8 of the same shape, a copy.

    =================  ==========================================================================
    bool               0 and 255
    uint8              as it is
    uint16             divided by 257 if a value is above 255 (16-bit images), else as it is
    other integers     cut to 0–255
    float in 0–1       times 255
    float in -1–1      ``(x + 1) × 127.5``
    other floats       taken as 0–255, cut to it
    =================  ==========================================================================

    The range of floats is that of the array's finite values. Fractions are rounded; NaN becomes 0, infinities the
    ends. ``normalize=False`` takes every number as 0–255.
    """
    import numpy as np

    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8:
        return array.copy()
    if array.dtype.kind in "iu":
        if normalize and array.dtype == np.uint16 and array.max(initial=0) > 255:
            return (array // 257).astype(np.uint8)
        return array.astype(np.float64).clip(0, 255).astype(np.uint8)  # 255 does not fit an int8
    with np.errstate(over="ignore"):
        scaled = array.astype(np.float32)
    if normalize:
        finite = scaled[np.isfinite(scaled)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
        if low >= 0 and high <= 1:
            scaled *= 255
        elif low >= -1 and high <= 1:
            scaled = (scaled + 1) * np.float32(127.5)
    fit: np.ndarray[Any, Any] = np.nan_to_num(scaled, nan=0, posinf=255, neginf=0).clip(0, 255)
    return fit.round().astype(np.uint8)


def _channels_last(array: np.ndarray[Any, Any], field: str, *, prefers_first: bool) -> np.ndarray[Any, Any]:
    first, last = array.shape[-3] in _CHANNELS, array.shape[-1] in _CHANNELS
    if not (first or last):
        raise InvalidField(field, f"has no dimension of 1 to 4 channels: its shape is {array.shape}")
    is_first = first and (prefers_first or not last)
    if not is_first:
        return array
    return array.transpose(1, 2, 0) if array.ndim == 3 else array.transpose(0, 2, 3, 1)


def grid(batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """One image of many: uint8[N, H, W, C] → uint8[rows × (H + gap), columns × (W + gap), C], gaps are 0."""
    import numpy as np

    count, height, width, channels = batch.shape
    columns = min(count, _GRID_COLUMNS)
    rows = -(-count // columns)
    step_y, step_x = height + _GRID_GAP, width + _GRID_GAP
    tiles = np.zeros((rows * step_y - _GRID_GAP, columns * step_x - _GRID_GAP, channels), dtype=np.uint8)
    for index, image in enumerate(batch):
        y, x = index // columns * step_y, index % columns * step_x
        tiles[y : y + height, x : x + width] = image
    return tiles
