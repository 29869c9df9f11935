"""Real processes that die: each leaves its reason, and dies as it would have without us."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import environ

from runstream.capture.exceptions import read_signal_record

_PRELUDE = """
import ctypes, faulthandler, multiprocessing, os, signal, sys, threading, time
from pathlib import Path
from runstream.capture.exceptions import Watch
watch = Watch(lambda failure: print("told", failure.type, flush=True), signal_file=Path(sys.argv[1]))
"""


def _run(tmp_path: Path, code: str, *, term: bool = False) -> tuple[int, str, str]:
    with subprocess.Popen(
        [sys.executable, "-c", _PRELUDE + code, str(tmp_path / "signal.txt")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ(),
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline() if term else ""
        if term:
            process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=30)
    return process.returncode, first + stdout, stderr


def test_an_uncaught_exception_is_told_and_printed(tmp_path: Path) -> None:
    code, stdout, stderr = _run(tmp_path, "def train(): raise KeyError('loss')\ntrain()")
    assert (code, stdout) == (1, "told KeyError\n")
    assert stderr.endswith("KeyError: 'loss'\n")
    assert read_signal_record(tmp_path / "signal.txt") is None


@pytest.mark.parametrize("wait", ["time.sleep(60)", "ctypes.CDLL(None).sleep(60)", "ctypes.PyDLL(None).sleep(60)"])
def test_I4_sigterm_ends_a_process_at_once_wherever_it_waits_and_leaves_tracebacks(tmp_path: Path, wait: str) -> None:
    code, _, stderr = _run(
        tmp_path,
        f"def all_reduce():\n    print('ready', flush=True)\n    {wait}\nall_reduce()",
        term=True,
    )
    assert (code, stderr) == (-signal.SIGTERM, "")
    failure = read_signal_record(tmp_path / "signal.txt")
    assert failure is not None
    assert (failure.kind, failure.type) == ("signal", "SIGTERM")
    assert "in all_reduce" in failure.traceback


@pytest.mark.parametrize("when", ["before", "after"])
def test_I4_a_programs_own_handler_of_sigterm_is_left_alone(tmp_path: Path, when: str) -> None:
    handler = "signal.signal(signal.SIGTERM, lambda *_: (print('saved', flush=True), sys.exit(5)))\n"
    again = "watch.stop()\n" + handler + f"watch = Watch(print, signal_file=Path({str(tmp_path / 'signal.txt')!r}))\n"
    rest = "print('ready', flush=True)\n" + ("watch.stop()\n" if when == "after" else "") + "time.sleep(60)"
    code, stdout, _ = _run(tmp_path, (again if when == "before" else handler) + rest, term=True)
    assert (code, stdout) == (5, "ready\nsaved\n")


def test_a_crash_leaves_its_stack(tmp_path: Path) -> None:
    code, _, _ = _run(tmp_path, "def kernel(): faulthandler._sigsegv()\nkernel()")
    assert code == -signal.SIGSEGV
    failure = read_signal_record(tmp_path / "signal.txt")
    assert failure is not None
    assert failure.type == "Segmentation fault"
    assert "in kernel" in failure.traceback


def test_a_worker_ended_by_its_parent_is_no_failure(tmp_path: Path) -> None:
    code, stdout, stderr = _run(
        tmp_path,
        """
worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
worker.start()
time.sleep(0.2)
worker.terminate(); worker.join()
print(worker.exitcode)
watch.stop()
print(Path(sys.argv[1]).exists())
""",
    )
    assert (code, stdout, stderr) == (0, "-15\nFalse\n", "")
