"""Frames as mp4 and webm by a real ffmpeg. Needs ffmpeg on PATH or the package imageio-ffmpeg."""

from __future__ import annotations

import numpy as np
import pytest
from support.files import logged

from runstream.values.video import Video

# Where a file of each format says what it is.
SIGNATURES = {"mp4": (4, b"ftyp"), "webm": (0, b"\x1aE\xdf\xa3"), "ogg": (0, b"OggS")}


@pytest.mark.parametrize("format", ["mp4", "webm"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("side", [16, 15])
def test_frames_are_encoded(format: str, channels: int, side: int) -> None:
    frames = np.random.default_rng(0).random((5, channels, side, side))
    entry, files = logged(Video(frames, fps=10, format=format))
    at, signature = SIGNATURES[format]
    assert entry["format"] == format
    assert files.of(entry)[at : at + len(signature)] == signature
