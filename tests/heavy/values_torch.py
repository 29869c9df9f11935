"""Real torch tensors in every rich value; tests/unit/values has the same promises by a stand-in. Needs torch."""

from __future__ import annotations

import wave
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from support.files import logged

import runstream
from runstream.errors import InvalidField
from runstream.values.histogram import Histogram
from runstream.values.rows import split

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def shown(image: runstream.Image) -> np.ndarray[Any, Any]:
    entry, files = logged(image)
    return np.asarray(PIL.Image.open(files.opened(entry)))


@pytest.mark.parametrize("on_graph", [False, True])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_images_of_every_float(kind: torch.dtype, on_graph: bool) -> None:
    tensor = (torch.from_numpy(RGB).permute(2, 0, 1).float() / 255).to(kind).requires_grad_(on_graph)
    picture = tensor * 1 if on_graph else tensor
    exact = {torch.float16: 1, torch.bfloat16: 2}.get(kind, 0)
    assert np.abs(shown(runstream.Image(picture)).astype(int) - RGB).max() <= exact


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int64])
def test_images_of_integers(kind: torch.dtype) -> None:
    assert np.array_equal(shown(runstream.Image(torch.from_numpy(RGB).permute(2, 0, 1).to(kind))), RGB)
    assert np.array_equal(shown(runstream.Image(torch.from_numpy(RGB).to(kind))), RGB)  # H × W × C cannot be else


def test_masks_of_bools_and_batches() -> None:
    assert shown(runstream.Image(torch.tensor([[True, False]]))).tolist() == [[255, 0]]
    assert shown(runstream.Image(torch.zeros(3, 1, 4, 6))).shape == (4, 3 * 6 + 2 * 2)
    entry, _ = logged(runstream.Image(RGB, masks={"m": {"mask_data": torch.arange(35).reshape(5, 7) % 3}}))
    assert entry["masks"]["m"]["class_labels"] == {"0": "class_0", "1": "class_1", "2": "class_2"}


def test_histograms() -> None:
    weights = torch.nn.Linear(10, 20).weight
    assert sum(Histogram(weights).histogram) == 200
    assert sum(Histogram(weights.to(torch.bfloat16)).histogram) == 200
    with pytest.raises(InvalidField, match="must hold numbers, not complex64"):
        Histogram(torch.zeros(3, dtype=torch.complex64))


def test_sound_and_video_and_points() -> None:
    entry, files = logged(runstream.Audio(torch.zeros(2, 100), sample_rate=100))
    with wave.open(files.opened(entry)) as file:
        assert (file.getnchannels(), file.getnframes()) == (2, 100)
    entry, _ = logged(runstream.Video(torch.rand(4, 3, 6, 8, requires_grad=True)))
    assert (entry["width"], entry["height"]) == (8, 6)
    entry, files = logged(runstream.Object3D(torch.ones(2, 3)))
    assert files.json_of(entry) == [[1, 1, 1], [1, 1, 1]]


def test_tables() -> None:
    rows = [[torch.tensor(1.5), torch.tensor([1, 2])], [torch.tensor(2, dtype=torch.bfloat16), torch.ones(2)]]
    entry, files = logged(runstream.Table(["a", "b"], rows))
    assert files.json_of(entry)["data"] == [[1.5, [1, 2]], [2.0, [1.0, 1.0]]]


def test_rows() -> None:
    graph = torch.nn.functional.mse_loss(torch.ones(3, requires_grad=True), torch.zeros(3))
    found = split(
        {
            "loss": graph,
            "half": torch.tensor(0.5, dtype=torch.bfloat16),
            "one": torch.tensor([[2]]),
            "flag": torch.tensor(True),
            "short": torch.arange(3),
            "weights": torch.nn.Linear(10, 20).weight,
            "nothing": torch.zeros(0),
            "complex": torch.tensor(1j),
            "meta": torch.ones(1, device="meta"),
            "sparse": torch.eye(9).to_sparse(),
        }
    )
    assert found.numbers == {"loss": 1.0, "half": 0.5, "one": 2.0, "flag": 1.0}
    assert found.rich["short"] == [0, 1, 2]
    assert found.rich["nothing"] == []
    assert isinstance(found.rich["weights"], Histogram)
    assert sorted(refusal.field for refusal in found.refusals) == ["complex", "meta", "sparse"]


def test_curves() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.1, 0.9]], requires_grad=True)
    chart = runstream.plot.roc_curve(torch.tensor([0, 1]), logits.softmax(1))  # type: ignore[arg-type]
    assert chart.table.data[-1] == ["1", 1.0, 1.0]
