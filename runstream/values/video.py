"""``runstream.Video``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from runstream.errors import InvalidField
from runstream.values.arrays import as_array
from runstream.values.media import FileSink, Value, as_caption, media_path
from runstream.values.moving import encode
from runstream.values.pixels import grid, to_bytes
from runstream.values.sources import Source, add_source, existing, is_stream, known_suffix, read_all

if TYPE_CHECKING:
    import numpy as np

_FORMATS = ("gif", "mp4", "webm", "ogg")
_DEFAULT_FPS = 4


class Video(Value):
    """Moving pictures: frames, encoded when the value is made, or a file as it is.

    Args:
        data_or_path: frames ``T × C × H × W`` with C of 1 to 4, or a batch ``N × T × C × H × W``, which becomes a
            grid; numbers as in ``pixels.to_bytes``. Or a path, or a file opened for reading bytes, with ``format``.
        caption: text below the player.
        fps: frames a second, 4 by default; only for frames. GIFs know hundredths of a second, at most 50 fps.
        format: ``gif`` (default), ``mp4``, ``webm`` or ``ogg``. Frames as mp4 or webm need ffmpeg, on PATH or as
            the package imageio-ffmpeg; without it they become a GIF, with a warning. GIFs need Pillow.

    Raises:
        InvalidField: an argument cannot be used; names it and says what was given.
        ExtraMissing: Pillow is needed and not installed.
    """

    group: ClassVar[tuple[str, str] | None] = ("videos", "videos")

    def __init__(
        self, data_or_path: Any, caption: str | None = None, fps: float | None = None, format: str | None = None
    ) -> None:
        self.caption = as_caption(caption)
        if format is not None:
            format = known_suffix(format, _FORMATS, "format")
        self.fps: float | None = None
        self._size: dict[str, int] = {}
        self._source: Source
        if isinstance(data_or_path, (str, os.PathLike)):
            self._source = existing(data_or_path, "data_or_path")
            self.format = known_suffix(self._source.name, _FORMATS, "data_or_path")
        elif is_stream(data_or_path):
            if format is None:
                raise InvalidField("format", "must be given for an open file")
            self._source, self.format = read_all(data_or_path), format
        else:
            frames = _frames(data_or_path)
            self.fps = _rate(fps)
            self._size = {"width": frames.shape[2], "height": frames.shape[1]}
            self._source, self.format = encode(frames, self.fps, format or "gif")

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """``{"_type": "video-file", "path", "sha256", "size", "format"}``; ``width``, ``height``, ``fps`` and
        ``caption`` where known.
        """
        path = media_path("videos", key, step, self.format)
        media_type = "image/gif" if self.format == "gif" else f"video/{self.format}"
        known = {**self._size, "fps": self.fps, "caption": self.caption}
        kept = {name: value for name, value in known.items() if value is not None}
        return {
            "_type": "video-file",
            **add_source(files, self._source, path, media_type),
            "format": self.format,
            **kept,
        }


def _frames(data: Any) -> np.ndarray[Any, Any]:
    """uint8[T, H, W, C] with C of 1, 3 or 4."""
    import numpy as np

    frames = as_array(data, "data_or_path")
    if frames.ndim not in (4, 5) or not frames.size or frames.shape[-3] not in (1, 2, 3, 4):
        wanted = "T × C × H × W or N × T × C × H × W, with 1 to 4 channels"
        raise InvalidField("data_or_path", f"frames must be {wanted}, their shape is {frames.shape}")
    frames = to_bytes(np.moveaxis(frames, -3, -1))
    if frames.ndim == 5:
        frames = np.stack([grid(frames[:, time]) for time in range(frames.shape[1])])
    return frames[..., :1] if frames.shape[-1] == 2 else frames


def _rate(fps: Any) -> float:
    try:
        rate = float(_DEFAULT_FPS if fps is None else fps)
    except (TypeError, ValueError):
        rate = 0.0
    if not 0 < rate <= 1000:
        raise InvalidField("fps", f"must be above 0 and at most 1000 frames a second, not {fps!r:.40}")
    return rate
