"""A torch tensor's surface, for tests without torch: what the SDK may ask of one, and nothing else.

The same promises are tested with real torch in tests/heavy, which a CI lane of its own runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Tensor:
    """Numbers on a device, perhaps on a graph; only a detached tensor on the CPU turns into an array."""

    def __init__(self, values: Any, *, on_graph: bool = False, on_gpu: bool = False) -> None:
        self._values = np.asarray(values)
        self._on_graph, self._on_gpu = on_graph, on_gpu

    @property
    def shape(self) -> tuple[int, ...]:
        return self._values.shape

    @property
    def dtype(self) -> str:
        return f"torch.{self._values.dtype}"

    def numel(self) -> int:
        return self._values.size

    def item(self) -> Any:
        if self._values.size != 1:
            raise RuntimeError(f"a Tensor with {self._values.size} elements cannot be converted to Scalar")
        return self._values.reshape(-1)[0].item()

    def tolist(self) -> Any:
        return self._values.tolist()

    def detach(self) -> Tensor:
        return Tensor(self._values, on_gpu=self._on_gpu)

    def cpu(self) -> Tensor:
        return Tensor(self._values, on_graph=self._on_graph)

    def numpy(self) -> np.ndarray[Any, Any]:
        if self._on_graph or self._on_gpu:
            raise RuntimeError("call detach() and cpu() first")
        return self._values
