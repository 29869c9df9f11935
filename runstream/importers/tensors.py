"""The one number of a TensorFlow tensor that has one. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

# dtype by TensorFlow's number: numpy's, and the field that holds values which are not packed as bytes.
_TYPES = {
    1: ("<f4", "float_val"),
    2: ("<f8", "double_val"),
    3: ("<i4", "int_val"),
    4: ("u1", "int_val"),
    5: ("<i2", "int_val"),
    6: ("i1", "int_val"),
    9: ("<i8", "int64_val"),
    10: ("?", "bool_val"),
    17: ("<u2", "int_val"),
    19: ("<f2", "half_val"),
    22: ("<u4", "uint32_val"),
    23: ("<u8", "uint64_val"),
}

TENSOR_FIELDS = (
    "dtype int32 1, tensor_shape Shape 2, tensor_content bytes 4, float_val* float 5, double_val* double 6, "
    "int_val* int32 7, string_val* bytes 8, int64_val* int64 10, bool_val* bool 11, half_val* int32 13, "
    "uint32_val* uint32 16, uint64_val* uint64 17"
)
SHAPE_FIELDS = {"Shape": "dim* Dim 2", "Dim": "size int64 1"}


def scalar(tensor: Any) -> float | None:
    """The tensor's only element, or None if it has several or none, or holds no numbers."""
    kind = _TYPES.get(tensor.dtype)
    if kind is None or any(dim.size != 1 for dim in tensor.tensor_shape.dim):
        return None
    dtype, field = kind
    if tensor.tensor_content:
        packed = np.frombuffer(tensor.tensor_content, "u1")
        return float(packed.view(dtype)[0]) if packed.size == np.dtype(dtype).itemsize else None
    values = getattr(tensor, field)
    if len(values) != 1:
        return None
    if field == "half_val":
        return float(np.array([values[0] & 0xFFFF], "<u2").view("<f2")[0])
    return float(values[0])
