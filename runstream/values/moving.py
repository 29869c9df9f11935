"""Frames as video files: GIF by Pillow, mp4 and webm by an ffmpeg that happens to be there."""

from __future__ import annotations

import importlib
import io
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstream.errors import InvalidField
from runstream.values.optional import pillow

if TYPE_CHECKING:
    import numpy as np

_CODECS = {"mp4": "libx264", "webm": "libvpx-vp9", "ogg": "libtheora"}
_TIMEOUT_S = 300
_PIXEL_FORMATS = {1: "gray", 3: "rgb24", 4: "rgba"}


def encode(frames: np.ndarray[Any, Any], fps: float, wanted: str) -> tuple[bytes, str]:
    """A video file and its format.

    Args:
        frames: uint8[T, H, W, C] with C of 1, 3 or 4.
        fps: frames a second.
        wanted: ``gif``, ``mp4``, ``webm`` or ``ogg``; a GIF is made instead, with a warning, without ffmpeg.

    Raises:
        InvalidField: ffmpeg refuses the frames.
        ExtraMissing: a GIF is to be made and Pillow is not installed.
    """
    if wanted == "gif":
        return _gif(frames, fps), "gif"
    program = _ffmpeg()
    if program is None:
        warnings.warn(
            f"a GIF is kept instead of {wanted}: there is no ffmpeg; pip install imageio-ffmpeg", stacklevel=4
        )
        return _gif(frames, fps), "gif"
    return _by_ffmpeg(program, frames, fps, wanted), wanted


def _gif(frames: np.ndarray[Any, Any], fps: float) -> bytes:
    images = pillow("a video of frames")
    pictures = [images.fromarray(frame[:, :, 0] if frame.shape[2] == 1 else frame) for frame in frames]
    buffer = io.BytesIO()
    # Below 20 ms browsers play GIFs at a tenth of the speed.
    duration_ms = max(20, round(1000 / fps))
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=duration_ms, loop=0, disposal=2)
    return buffer.getvalue()


def _ffmpeg() -> str | None:
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


def _by_ffmpeg(program: str, frames: np.ndarray[Any, Any], fps: float, wanted: str) -> bytes:
    _, height, width, channels = frames.shape
    given = f"-f rawvideo -pix_fmt {_PIXEL_FORMATS[channels]} -s {width}x{height} -r {fps:g} -i -".split()
    # Players want 4:2:0, which needs even sides: one row or column is repeated.
    made = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:v", _CODECS[wanted], "-pix_fmt", "yuv420p"]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"video.{wanted}"
        command = [program, "-loglevel", "error", "-y", *given, *made, str(target)]
        try:
            subprocess.run(command, input=frames.tobytes(), capture_output=True, timeout=_TIMEOUT_S, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or str(error).encode()
            reason = said.decode(errors="replace").strip()[-300:]
            raise InvalidField("data_or_path", f"ffmpeg cannot make {wanted} of it: {reason}") from error
        return target.read_bytes()
