"""``runstream.Audio``."""

from __future__ import annotations

import io
import os
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from runstream.errors import InvalidField
from runstream.values.arrays import as_array, is_tensor
from runstream.values.media import FileSink, Value, as_caption, media_path
from runstream.values.sources import Source, add_source, existing

if TYPE_CHECKING:
    import numpy as np

_MEDIA_TYPES = {"wav": "wav", "mp3": "mpeg", "flac": "flac", "ogg": "ogg", "opus": "ogg", "m4a": "mp4", "aac": "aac"}
_MAX_CHANNELS = 32


class Audio(Value):
    """A sound: samples, written as WAV by the standard library, or a file as it is.

    Args:
        data_or_path: samples ``N`` or ``N × channels`` (torch tensors ``channels × N``): floats in -1–1, cut to
            it, NaN as silence, kept with 16 bits; int16, int32 and uint8 as they are. Or a path of a sound file.
        sample_rate: samples a second; needed for samples.
        caption: text below the player.

    Attributes:
        duration: seconds; None for files other than WAV.

    Raises:
        InvalidField: an argument cannot be used; names it and says what was given.
    """

    group: ClassVar[tuple[str, str] | None] = ("audio", "audio")

    def __init__(self, data_or_path: Any, sample_rate: int | None = None, caption: str | None = None) -> None:
        self.caption = as_caption(caption)
        self.sample_rate = None if sample_rate is None else _rate(sample_rate)
        self.duration: float | None = None
        self._source: Source
        if isinstance(data_or_path, (str, os.PathLike)):
            self._source = existing(data_or_path, "data_or_path")
            self.format = self._source.suffix.lstrip(".").lower() or "wav"
            self._read_header()
            return
        if self.sample_rate is None:
            raise InvalidField("sample_rate", "must be given for samples")
        samples = _samples(data_or_path)
        self.format = "wav"
        self.duration = len(samples) / self.sample_rate
        self._source = _wav(samples, self.sample_rate)

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """``{"_type": "audio-file", "path", "sha256", "size", "format"}``; ``sampleRate``, ``duration`` (seconds) and
        ``caption`` where known.
        """
        path = media_path("audio", key, step, self.format)
        media_type = f"audio/{_MEDIA_TYPES.get(self.format, self.format)}"
        known = {"sampleRate": self.sample_rate, "duration": self.duration, "caption": self.caption}
        kept = {name: value for name, value in known.items() if value is not None}
        return {
            "_type": "audio-file",
            **add_source(files, self._source, path, media_type),
            "format": self.format,
            **kept,
        }

    def _read_header(self) -> None:
        assert isinstance(self._source, Path)
        try:
            with wave.open(str(self._source)) as file:
                self.sample_rate = self.sample_rate or file.getframerate()
                self.duration = file.getnframes() / file.getframerate()
        except (wave.Error, EOFError, ZeroDivisionError):
            return  # another format, or a WAV of floats: the player reads it by itself


def _rate(sample_rate: Any) -> int:
    try:
        rate = int(sample_rate)
    except (TypeError, ValueError, OverflowError):
        rate = 0
    if not 1 <= rate < 1 << 31:
        raise InvalidField("sample_rate", f"must be a positive number of samples a second, not {sample_rate!r:.40}")
    return rate


def _samples(data: Any) -> np.ndarray[Any, Any]:
    """int16, int32 or uint8 [N, channels], little-endian."""
    import numpy as np

    samples = as_array(data, "data_or_path")
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2 or not samples.size:
        raise InvalidField("data_or_path", f"samples must be N or N × channels, their shape is {samples.shape}")
    is_channels_first = samples.shape[0] <= _MAX_CHANNELS and (is_tensor(data) or samples.shape[1] > _MAX_CHANNELS)
    if is_channels_first and samples.shape[0] < samples.shape[1]:
        samples = samples.T
    if samples.shape[1] > _MAX_CHANNELS:
        raise InvalidField("data_or_path", f"has {samples.shape[1]} channels, the limit is {_MAX_CHANNELS}")
    if samples.dtype.kind == "f":
        loudness = np.nan_to_num(samples.astype(np.float64), nan=0, posinf=1, neginf=-1).clip(-1, 1)
        samples = (loudness * 32767).round().astype(np.int16)
    samples = samples.astype(samples.dtype.newbyteorder("<"))
    if samples.dtype not in (np.int16, np.int32, np.uint8):
        wanted = "floats, int16, int32 or uint8"
        raise InvalidField("data_or_path", f"samples must be {wanted}, not {samples.dtype}")
    return np.ascontiguousarray(samples)


def _wav(samples: np.ndarray[Any, Any], rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(samples.dtype.itemsize)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()
