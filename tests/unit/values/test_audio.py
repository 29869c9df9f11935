"""Sounds: samples become a WAV file that holds them; files stay as they are."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.files import logged
from support.tensors import Tensor

from runstream.errors import InvalidField
from runstream.values.audio import Audio
from runstream.values.group import Group

STEREO = np.stack([np.linspace(-1, 1, 100), np.zeros(100)], axis=1)


def heard(audio: Audio) -> np.ndarray[Any, Any]:
    """The samples that a player reads: int[N, channels]."""
    entry, files = logged(audio)
    with wave.open(files.opened(entry)) as file:
        assert file.getframerate() == entry["sampleRate"]
        kind = {1: np.uint8, 2: "<i2", 4: "<i4"}[file.getsampwidth()]
        return np.frombuffer(file.readframes(1 << 20), kind).reshape(-1, file.getnchannels())


def test_the_json_is_that_of_wandb() -> None:
    entry, files = logged(Audio(np.zeros(8000), sample_rate=16000, caption="quiet"), "voice", 2)
    assert entry["path"] == f"media/audio/voice_2_{entry['sha256'][:20]}.wav"
    wanted = {"_type": "audio-file", "format": "wav", "sampleRate": 16000, "duration": 0.5, "caption": "quiet"}
    assert {name: entry[name] for name in wanted} == wanted
    assert list(files.media_types.values()) == ["audio/wav"]


def test_floats_become_16_bits() -> None:
    samples = heard(Audio(np.array([0, 1, -1, 7, np.nan, -np.inf, 0.5]), sample_rate=8000))
    assert samples[:, 0].tolist() == [0, 32767, -32767, 32767, 0, -32767, 16384]


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint8, ">i2"])
def test_integers_stay(kind: Any) -> None:
    samples = np.array([[0, 1], [100, 127]], kind)
    assert heard(Audio(samples, sample_rate=8000)).tolist() == samples.tolist()


def test_channels_stand_where_each_library_has_them() -> None:
    for given in (STEREO, STEREO.T, Tensor(STEREO.T, on_graph=True), STEREO.tolist()):
        assert heard(Audio(given, sample_rate=100)).shape == (100, 2)
    assert heard(Audio(Tensor(np.zeros((1, 20))), sample_rate=100)).shape == (20, 1)


def test_files_are_kept_byte_for_byte(tmp_path: Path) -> None:
    entry, files = logged(Audio(STEREO, sample_rate=50))
    wav, mp3 = tmp_path / "a.wav", tmp_path / "a.mp3"
    wav.write_bytes(files.of(entry))
    mp3.write_bytes(b"not read here")
    found, files = logged(Audio(wav))
    assert files.of(found) == wav.read_bytes()
    assert (found["sampleRate"], found["duration"]) == (50, 2.0)
    found, files = logged(Audio(str(mp3), sample_rate=44100))
    assert found["path"].endswith(".mp3")
    assert (found["sampleRate"], "duration" in found) == (44100, False)


def test_a_list_is_one_value() -> None:
    entry, _ = logged(Group([Audio(STEREO, sample_rate=50, caption="a"), Audio(STEREO, sample_rate=25)]))
    assert (entry["_type"], entry["count"], entry["captions"]) == ("audio", 2, ["a", ""])
    assert [item["sampleRate"] for item in entry["audio"]] == [50, 25]


@pytest.mark.parametrize(
    ("data", "rate", "message"),
    [
        (STEREO, None, "sample_rate: must be given for samples"),
        (STEREO, 0, "sample_rate: must be a positive number of samples a second, not 0"),
        (STEREO, "fast", "not 'fast'"),
        (np.zeros((2, 2, 2)), 8000, r"must be N or N × channels, their shape is \(2, 2, 2\)"),
        (np.zeros(0), 8000, "must be N or N × channels"),
        (np.zeros((50, 50)), 8000, "has 50 channels, the limit is 32"),
        (np.zeros(5, np.int64), 8000, "must be floats, int16, int32 or uint8, not int64"),
        ("/nonexistent.wav", None, "there is no file '/nonexistent.wav'"),
        ({}, 8000, "must hold numbers"),
    ],
)
def test_arguments_that_cannot_be_are_named(data: Any, rate: Any, message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        Audio(data, sample_rate=rate)
