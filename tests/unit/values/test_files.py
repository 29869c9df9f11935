"""The files of rich values: named by their content, whole or not there, never outside their folder."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.errors import InvalidField
from runstream.values.files import SpoolFiles
from runstream.values.media import media_path


def test_a_file_is_named_by_key_step_and_content(tmp_path: Path) -> None:
    entry = SpoolFiles(tmp_path).add_bytes(b"pixels", media_path("images", "val/sample", 7, "png"), "image/png")
    digest = hashlib.sha256(b"pixels").hexdigest()
    assert entry == {"path": f"media/images/val/sample_7_{digest[:20]}.png", "sha256": digest, "size": 6}
    assert (tmp_path / "files" / entry["path"]).read_bytes() == b"pixels"


def test_a_copy_keeps_what_the_file_was(tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(b"x" * 3_000_000)
    entry = SpoolFiles(tmp_path).add_file(source, media_path("videos", "clip", 0, "mp4"), "video/mp4")
    source.write_bytes(b"changed")
    assert (tmp_path / "files" / entry["path"]).read_bytes() == b"x" * 3_000_000
    assert entry["size"] == 3_000_000


def test_equal_content_takes_the_disk_once(tmp_path: Path) -> None:
    files = SpoolFiles(tmp_path)
    kept = [files.add_bytes(b"same", media_path("images", key, step, "png"), "") for key in "ab" for step in (0, 1)]
    again = files.add_bytes(b"same", media_path("images", "a", 0, "png"), "")
    assert again == kept[0]
    found = [tmp_path / "files" / entry["path"] for entry in kept]
    assert len(set(found)) == 4
    assert len({path.stat().st_ino for path in found}) == 1
    assert found[0].stat().st_nlink == 4


def test_content_that_was_sent_and_removed_is_written_again(tmp_path: Path) -> None:
    files = SpoolFiles(tmp_path)
    first = files.add_bytes(b"same", "a_*.txt", "")
    (tmp_path / "files" / first["path"]).unlink()
    second = files.add_bytes(b"same", "b_*.txt", "")
    assert (tmp_path / "files" / second["path"]).read_bytes() == b"same"
    files.sync()


def test_only_whole_files_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves nothing behind. The failing rename stands for it: a real one is tests/fault's."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    files = SpoolFiles(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="no space"):
            files.add_bytes(b"1", "a.txt", "")
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []
    assert files.add_bytes(b"1", "a.txt", "")["size"] == 1


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a/./b", "a\x00b", "*_*.png", ".."])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidField, match="path"):
        SpoolFiles(tmp_path / "spool").add_bytes(b"1", path, "")
    assert not (tmp_path / "x").exists()


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool" / "files").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    os.symlink(tmp_path / "outside", tmp_path / "spool" / "files" / "media")
    with pytest.raises(InvalidField, match="leads out"):
        SpoolFiles(tmp_path / "spool").add_bytes(b"1", "media/x.png", "")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="there is no file '/nonexistent'"):
        SpoolFiles(tmp_path).add_file(Path("/nonexistent"), "a", "")


def test_threads_that_write_the_same_leave_one_file(tmp_path: Path) -> None:
    files = SpoolFiles(tmp_path)
    threads = [
        threading.Thread(target=lambda: [files.add_bytes(b"same", "a_*.txt", "") for _ in range(20)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([path for path in (tmp_path / "files").rglob("*") if path.is_file()]) == 1


@given(st.text(min_size=1, max_size=200), st.integers())
def test_every_key_gives_a_path_that_stays_inside(key: str, step: int) -> None:
    path = media_path("images", key, step, "png")
    parts = path.split("/")
    assert path.startswith("media/images/")
    assert not {"", ".", ".."} & set(parts)
    assert all(len(part.encode()) <= 255 - 20 for part in parts)
    assert path.count("*") == 1
    assert "\x00" not in path
