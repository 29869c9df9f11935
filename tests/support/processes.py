"""Real processes of our own: started, waited for, stopped or killed by id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
_T = TypeVar("_T")


def environ(**changes: str) -> dict[str, str]:
    """An environment without settings of the machine's user, in which this checkout is importable.

    Without system metrics: how many points they are depends on how long a test takes. Tests of them turn them on.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RUNSTREAM_", "WANDB_", "SLURM_", "PYTEST_")) and name not in ("RANK", "WORLD_SIZE")
    }
    ours = {"PYTHONPATH": str(ROOT), "RUNSTREAM_CONFIG": "/nonexistent", "RUNSTREAM_SYSTEM_METRICS": "false"}
    return {**kept, **ours, **changes}


def wait_until(ask: Callable[[], _T], *, deadline_s: float = 30.0, what: str = "") -> _T:
    """Asks until the answer is true and returns it."""
    end = time.monotonic() + deadline_s
    while not (answer := ask()):
        assert time.monotonic() < end, f"not within {deadline_s:.0f} s: {what or ask}"
        time.sleep(0.02)
    return answer


class Process:
    """A process whose first line on stdout says that it is ready."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str] | None = None, *, cwd: Path | None = None):
        self.arguments = list(arguments)
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed by _end
        self.popen = subprocess.Popen(
            [sys.executable, *self.arguments],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=dict(env or environ()),
            cwd=cwd,
        )
        assert self.popen.stdout is not None
        self.first_line = self.popen.stdout.readline()

    @property
    def url(self) -> str:
        """The HTTP address in the ready line."""
        assert "ready" in self.first_line, self.stderr()
        return self.first_line.split(": ", 1)[1].split()[0]

    def stderr(self) -> str:
        """What it said so far."""
        self.log.seek(0)
        return self.log.read()

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        code = self.popen.wait(20)
        if self.popen.stdout is not None:
            self.popen.stdout.close()
        self.log.close()
        return code


def run_python(code_or_file: str | Path, env: Mapping[str, str], cwd: Path, *, timeout_s: float = 60.0) -> str:
    """Runs code or a file and returns stdout; fails with stderr if it fails."""
    source = [str(code_or_file)] if isinstance(code_or_file, Path) else ["-c", code_or_file]
    done = subprocess.run(
        [sys.executable, *source],
        env=dict(env),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_cli(*arguments: str, env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs the command line."""
    return subprocess.run(
        [sys.executable, "-m", "runstream", *arguments],
        env=dict(env),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
