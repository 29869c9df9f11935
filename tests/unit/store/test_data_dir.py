"""A data directory is one process's, of one version, and runstream's own; or a message says what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runstream.errors import SetupError
from runstream.store.data_dir import DataDir


def test_a_claimed_directory_is_in_use_until_released(tmp_path: Path) -> None:
    claimed = DataDir.claim(tmp_path / "data", holder="the first server")
    with pytest.raises(SetupError, match=rf"in use by the first server \(process id {os.getpid()}\).*--data DIR"):
        DataDir.claim(tmp_path / "data", holder="the second")
    claimed.release()
    claimed.release()
    DataDir.claim(tmp_path / "data", holder="the second").release()


def test_another_version_is_refused(tmp_path: Path) -> None:
    DataDir.claim(tmp_path, holder="x").release()
    (tmp_path / "runstream-format").write_text("99\n")
    with pytest.raises(SetupError, match=r"format version 99, this runstream reads version 1"):
        DataDir.claim(tmp_path, holder="x")
    (tmp_path / "runstream-format").write_text("1\n")
    DataDir.claim(tmp_path, holder="x").release()


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(SetupError, match="none of runstream's"):
        DataDir.claim(tmp_path, holder="x")


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SetupError, match="cannot use data directory"):
        DataDir.claim(tmp_path / "file" / "data", holder="x")
