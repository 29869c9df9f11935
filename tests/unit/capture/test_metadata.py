"""Facts that are read from texts, and the promise that a missing one harms nothing."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.capture import collector, hardware, launcher, requirements
from runstream.capture.command import CommandFailed, printed
from runstream.capture.git import parse_status, without_user
from runstream.capture.metadata import PARTS, Metadata, collect, collect_in_background


def test_what_git_says_of_a_working_tree() -> None:
    status = (
        "# branch.oid 0123456789abcdef0123456789abcdef01234567\0# branch.head feature/x\0# branch.ab +1 -0\0"
        "1 .M N... 100644 100644 100644 a b train.py\0"
        "2 R. N... 100644 100644 100644 a b R100 new name.py\0old name.py\0"
        "u UU N... 100644 100644 100644 100644 a b c both.py\0? notes.txt\0? a b.txt\0"
    )
    assert parse_status(status) == {
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "branch": "feature/x",
        "dirty": True,
        "changed_files": 3,
        "untracked_files": 2,
        "untracked": ["notes.txt", "a b.txt"],
    }
    fresh = parse_status("# branch.oid (initial)\0# branch.head (detached)\0")
    assert fresh == {"dirty": False, "changed_files": 0, "untracked_files": 0}


@given(st.text())
def test_any_answer_of_git_gives_facts(status: str) -> None:
    assert parse_status(status)["changed_files"] >= 0


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:tok@github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://tok@github.com/a/b", "https://github.com/a/b"),
        ("ssh://git@host/a/b", "ssh://host/a/b"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("/srv/git/b", "/srv/git/b"),
    ],
)
def test_a_remote_is_shown_without_credentials(url: str, shown: str) -> None:
    assert without_user(url) == shown


def test_requirements_are_those_of_importlib() -> None:
    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    expected: dict[str, str] = {}
    for found in importlib.metadata.distributions():
        expected.setdefault(normal(found.metadata["Name"]), found.version)
    pairs = [line.partition("==") for line in requirements.installed(sys.path)]
    assert {normal(name): version for name, _, version in pairs} == expected
    assert len(expected) > 20


def test_requirements_of_odd_folders(tmp_path: Path) -> None:
    for name in (
        "torch-2.5.1+cu124.dist-info",
        "my_pkg-1.0.egg-info",
        "x-y-0.1-py3.11.egg-info",
        "torch",
        "a.dist-info",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / "local.egg-info").mkdir()
    (tmp_path / "local.egg-info" / "PKG-INFO").write_text("A: 2.1\nName: local\nVersion: 3\n\nVersion: 4")
    (tmp_path / "single.egg-info").write_text("Name: single\nVersion: 5\n")
    assert requirements.installed([str(tmp_path), "/nonexistent", str(tmp_path)]) == [
        *("local==3", "my_pkg==1.0", "single==5", "torch==2.5.1+cu124"),
    ]  # fmt: skip


def test_launchers_are_told_by_named_variables_alone() -> None:
    environ = {
        "SLURM_JOB_ID": "42",
        "SLURM_PROCID": "3",
        "SLURM_JWT": "secret",
        "RANK": "3",
        "WORLD_SIZE": "8",
        "CUDA_VISIBLE_DEVICES": "0,1",
        "NCCL_DEBUG": "INFO",
        "KUBERNETES_SERVICE_HOST": "x",
        "POD_NAME": "p",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "JOB_NAME_SUFFIX": "x",
    }
    assert launcher.read(environ) == {
        "slurm": {"SLURM_JOB_ID": "42", "SLURM_PROCID": "3"},
        "torchrun": {"RANK": "3", "WORLD_SIZE": "8"},
        "kubernetes": {"POD_NAME": "p"},
        "devices": {"CUDA_VISIBLE_DEVICES": "0,1", "NCCL_DEBUG": "INFO"},
    }
    assert launcher.read({"RANK": "x"}) == {}


def test_nvidia_smi_is_understood() -> None:
    text = (
        "0, NVIDIA H100 80GB HBM3, 81559, 550.54.15, GPU-aa, 00000000:1B:00.0\n"
        "1, NVIDIA H100 80GB HBM3, [N/A], 550.54.15, GPU-bb, 00000000:43:00.0\nsome warning\n"
    )
    first, second = hardware.parse_nvidia_smi(text, "NVIDIA-SMI version  : 550.54.15\nCUDA Version        : 12.4\n")
    assert first == {
        "index": 0,
        "name": "NVIDIA H100 80GB HBM3",
        "memory_mb": 81559,
        "driver": "550.54.15",
        "cuda": "12.4",
        "uuid": "GPU-aa",
        "pci": "00000000:1B:00.0",
    }
    assert "memory_mb" not in second


def test_a_driver_that_does_not_answer_leaves_names_and_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "driver" / "nvidia" / "gpus" / "0000:1b:00.0"
    folder.mkdir(parents=True)
    (tmp_path / "driver" / "nvidia" / "version").touch()
    (folder / "information").write_text("Model: \t\t NVIDIA H100\nIRQ: 1\n")
    assert hardware.nvidia_gpus(tmp_path, ["/bin/false"]) == [
        {"name": "NVIDIA H100", "error": "/bin/false: exit code 1"}
    ]
    assert hardware.nvidia_gpus(Path("/nonexistent"), ["/bin/false"]) == []


def test_a_command_is_bounded_in_time_and_size() -> None:
    assert printed(["echo", "hi"], timeout_s=10).data == b"hi\n"
    cut = printed(["sh", "-c", "yes"], timeout_s=10, max_bytes=1000)
    assert (len(cut.data), cut.is_cut) == (1000, True)
    started = time.monotonic()
    with pytest.raises(CommandFailed, match=r"sh: no answer within 0\.2 s"):
        printed(["sh", "-c", "sleep 30 & sleep 30"], timeout_s=0.2)
    assert time.monotonic() - started < 10
    with pytest.raises(CommandFailed, match="exit code 3"):
        printed(["sh", "-c", "exit 3"], timeout_s=10)
    with pytest.raises(CommandFailed, match="No such file"):
        printed(["/nonexistent/git"], timeout_s=10)


def test_I4_a_part_that_fails_leaves_its_error_one_that_hangs_is_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "abc-123-def")
    over = threading.Event()

    def fail(cwd: str, limit: int) -> None:
        raise RuntimeError("no luck with abc-123-def")

    monkeypatch.setattr(collector.git, "read", fail)
    monkeypatch.setattr(collector.hardware, "read", lambda cwd: over.wait(60))
    found = collect(deadline_s=1.0).document
    over.set()
    assert found["git"] == {"error": "RuntimeError: no luck with ***"}
    assert found["hardware"] == {"error": "not collected within 1 s"}
    assert found["program"]["process_id"] == os.getpid()
    assert list(found) == ["started_at", *PARTS]


def test_each_part_can_be_switched_off() -> None:
    for part in PARTS:
        assert set(collect([part]).document) == {"started_at", part}
    assert set(collect([]).document) == {"started_at"}


def test_the_background_calls_once() -> None:
    seen: list[Metadata] = []
    collect_in_background(seen.append, ["launcher"]).join(30)
    assert len(seen) == 1
