"""Arrays of every library as numpy arrays, without loading any of those libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runstream.errors import InvalidField

if TYPE_CHECKING:
    import numpy as np


def is_tensor(value: object) -> bool:
    """Whether a value is a torch tensor, by its shape: it can leave a graph and a device."""
    return callable(getattr(value, "detach", None)) and callable(getattr(value, "numpy", None))


def comes_from(value: object, package: str) -> bool:
    """Whether a value's class, or one of its bases, is of a package."""
    kind = value if isinstance(value, type) else type(value)
    return any(base.__module__.split(".")[0] == package for base in kind.__mro__)


def as_array(value: object, field: str) -> np.ndarray[Any, Any]:
    """A numpy array of bools, integers or floats, on the CPU and off the graph.

    Takes numpy arrays, torch tensors (bfloat16 becomes float32), anything with ``__array__`` (jax, tensorflow,
    pandas) and nested sequences. May share memory with the value.

    Raises:
        InvalidField: it is no array of real numbers.
    """
    import numpy as np

    try:
        array = _tensor_array(value) if is_tensor(value) else np.asarray(value)
        if array.dtype.kind == "V":
            array = array.astype(np.float32)  # bfloat16 and float8 of ml_dtypes, as jax has them
    except Exception as error:
        raise InvalidField(field, f"{type(value).__name__} cannot be read as an array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise InvalidField(field, f"must hold numbers, not {array.dtype} (a {type(value).__name__})")
    return array


def _tensor_array(tensor: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    tensor = tensor.detach()
    if hasattr(tensor, "cpu"):
        tensor = tensor.cpu()
    if "bfloat16" in str(getattr(tensor, "dtype", "")) or "float8" in str(getattr(tensor, "dtype", "")):
        tensor = tensor.float()  # numpy has no such type
    return np.asarray(tensor.numpy())
