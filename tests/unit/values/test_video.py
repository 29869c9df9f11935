"""Videos: frames become a file that shows them; files stay as they are. ffmpeg is tested in tests/heavy."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from support.files import logged
from support.tensors import Tensor

from runstream.errors import InvalidField
from runstream.values import moving
from runstream.values.group import Group
from runstream.values.video import Video

# Grey values stay exact in a GIF's palette.
FRAMES = np.arange(4, dtype=np.uint8)[:, None, None, None].repeat(3, 1).repeat(6, 2).repeat(8, 3) * 60


def seen(video: Video) -> list[np.ndarray[Any, Any]]:
    entry, files = logged(video)
    with PIL.Image.open(files.opened(entry)) as image:
        return [_frame(image, index) for index in range(getattr(image, "n_frames", 1))]


def _frame(image: PIL.Image.Image, index: int) -> np.ndarray[Any, Any]:
    image.seek(index)
    return np.asarray(image.convert("RGB"))


def test_frames_become_a_gif() -> None:
    entry, files = logged(Video(FRAMES, fps=10, caption="moving"), "clip", 2)
    assert entry["path"] == f"media/videos/clip_2_{entry['sha256'][:20]}.gif"
    wanted = {"_type": "video-file", "format": "gif", "width": 8, "height": 6, "fps": 10.0, "caption": "moving"}
    assert {name: entry[name] for name in wanted} == wanted
    assert list(files.media_types.values()) == ["image/gif"]
    with PIL.Image.open(files.opened(entry)) as image:
        assert image.info["duration"] == 100
    frames = seen(Video(FRAMES))
    assert [frame.shape for frame in frames] == [(6, 8, 3)] * 4
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 60, 120, 180]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels(channels: int) -> None:
    assert len(seen(Video(np.random.default_rng(0).random((3, channels, 6, 8))))) == 3


def test_tensors_and_batches() -> None:
    assert len(seen(Video(Tensor(FRAMES, on_graph=True)))) == 4
    frames = seen(Video(np.stack([FRAMES] * 3)))
    assert frames[0].shape == (6, 3 * 8 + 2 * 2, 3)


def test_files_are_kept_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"film")
    entry, files = logged(Video(path))
    assert (files.of(entry), entry["format"]) == (b"film", "mp4")
    assert list(files.media_types.values()) == ["video/mp4"]
    entry, files = logged(Video(io.BytesIO(b"film"), format="webm"))
    assert (files.of(entry), entry["format"]) == (b"film", "webm")


def test_without_ffmpeg_a_gif_is_kept_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may have ffmpeg, so that it has none must be arranged."""
    monkeypatch.setattr(moving, "_ffmpeg", lambda: None)
    with pytest.warns(UserWarning, match="a GIF is kept instead of mp4"):
        entry, _ = logged(Video(FRAMES, format="mp4"))
    assert entry["format"] == "gif"


def test_a_list_is_one_value() -> None:
    entry, _ = logged(Group([Video(FRAMES), Video(FRAMES[::-1])]))
    assert (entry["_type"], entry["count"], len(entry["videos"])) == ("videos", 2, 2)


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        (np.zeros((4, 6, 8)), {}, r"their shape is \(4, 6, 8\)"),
        (np.zeros((4, 6, 8, 3)), {}, "must be T × C × H × W or N × T × C × H × W, with 1 to 4 channels"),
        (FRAMES, {"fps": 0}, "fps: must be above 0 and at most 1000 frames a second, not 0"),
        (FRAMES, {"fps": "fast"}, "not 'fast'"),
        (FRAMES, {"format": "avi"}, "format: must be one of gif, mp4, ogg, webm, not 'avi'"),
        (io.BytesIO(b""), {}, "format: must be given for an open file"),
        ("/nonexistent.mp4", {}, "there is no file"),
        (__file__, {}, "data_or_path: must be one of gif, mp4, ogg, webm, not 'test_video.py'"),
    ],
)
def test_arguments_that_cannot_be_are_named(data: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        Video(data, **arguments)
