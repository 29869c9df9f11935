"""A real program in a real repository."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from support.processes import environ

_PROGRAM = """
import json, sys
from runstream.capture.metadata import collect
found = collect()
json.dump({"document": found.document, "files": {k: v.decode() for k, v in found.files.items()}}, sys.stdout)
# api_key = "abcdef0123"
"""


def _git(folder: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)


def test_what_is_found_in_a_repository(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text(_PROGRAM)
    (folder / "model.py").write_text("layers = 2\n")
    _git(folder, "init", "-b", "trunk")
    _git(folder, "add", ".")
    _git(folder, "commit", "-m", "start")
    _git(folder, "remote", "add", "origin", "https://ada:" + "tok@example.com/ada/project.git")
    # Programs that a repository's settings name must not be run.
    _git(folder, "config", "diff.external", f"touch {tmp_path / 'ran'}")
    _git(folder, "config", "core.fsmonitor", f"touch {tmp_path / 'ran'}")
    (folder / "model.py").write_text("layers = 4\npassword = 'hunter2'\n")
    (folder / "notes.txt").touch()
    (folder / "sub").mkdir()
    index = (folder / ".git" / "index").read_bytes()

    done = subprocess.run(
        [sys.executable, "../train.py", "--lr", "0.1", "--api-key", "abc"],
        cwd=folder / "sub",
        env=environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    document, files = found["document"], found["files"]
    assert document["git"]["root"] == str(folder)
    assert document["git"]["branch"] == "trunk"
    assert len(document["git"]["commit"]) == 40
    assert document["git"]["remote"] == "https://example.com/ada/project.git"
    assert (document["git"]["dirty"], document["git"]["untracked"]) == (True, ["notes.txt"])
    assert "-layers = 2\n+layers = 4\n+password = '***'\n" in files["diff.patch"]
    assert document["code"]["sha256"] == hashlib.sha256(_PROGRAM.encode()).hexdigest()
    assert document["code"]["path"] == str(folder / "sub" / "../train.py")
    assert files["code/train.py"] == _PROGRAM.replace("abcdef0123", "***")
    assert document["program"]["command"][-5:] == ["../train.py", "--lr", "0.1", "--api-key", "***"]
    assert any(line.startswith("pytest==") for line in document["requirements"])
    assert document["hardware"]["cpu_count"] >= 1
    assert not (tmp_path / "ran").exists()
    assert (folder / ".git" / "index").read_bytes() == index


def test_outside_a_repository_and_without_a_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=tmp_path, env=environ(), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["document"]["git"] == found["document"]["code"] == {}
    assert found["files"] == {}
