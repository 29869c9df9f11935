"""Programs that capture their own console: what came through, what was captured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from runstream.capture.console import read_last_words
from runstream.capture.line import Line
from support.processes import environ, wait_until

PRELUDE = """
import ctypes, json, os, signal, subprocess, sys, threading, time
from pathlib import Path
from runstream.capture import console
_captured = open(sys.argv[1], "a")
def emit(lines):
    _captured.write("".join(json.dumps(line) + "\\n" for line in lines))
    _captured.flush()
def start(**more):
    return console.start(emit, last_words=Path(sys.argv[1] + ".last"), **more)
"""


@dataclass
class Told:
    """What a program left behind.

    Attributes:
        code: its exit code.
        stdout: bytes that came through.
        stderr: bytes that came through.
        lines: captured lines, the newest of each number.
        emissions: every line as it was emitted.
        last_words: lines left by the pump.
    """

    code: int
    stdout: bytes
    stderr: bytes
    emissions: list[Line]
    last_words: list[Line]

    @property
    def lines(self) -> list[Line]:
        """The newest of each number."""
        return list({line.number: line for line in [*self.emissions, *self.last_words]}.values())

    def texts(self, stream: str = "") -> list[str]:
        """Texts of the lines, of one stream or both."""
        return [line.text for line in sorted(self.lines) if stream in ("", line.stream)]


def run(code: str, tmp_path: Path, *, merged: bool = False, env: dict[str, str] | None = None) -> Told:
    """Runs a program and waits until the pump has gone, too."""
    captured = tmp_path / "captured"
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code, str(captured)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merged else subprocess.PIPE,
        env=environ(**(env or {})),
        timeout=60,
        check=False,
    )
    return told(done.returncode, done.stdout, done.stderr or b"", captured)


def told(code: int, stdout: bytes, stderr: bytes, captured: Path) -> Told:
    """Puts together what was left behind."""
    last = captured.with_name("captured.last")
    wait_until(lambda: not last.with_name("captured.last.building").exists(), deadline_s=10)
    emissions = [Line(*json.loads(line)) for line in captured.read_text().splitlines()] if captured.exists() else []
    return Told(code, stdout, stderr, emissions, read_last_words(last))


def pump_of(captured: Path) -> int:
    """Process id of the pump that works for a program."""

    def find() -> int:
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes()
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError):
                continue
            if b"capture.pump" in words and str(captured).encode() in words and parent == 1:
                return int(entry.name)
        return 0

    return wait_until(find, what="a pump")


def kill_pump(captured: Path) -> None:
    """SIGKILL for a pump of ours."""
    os.kill(pump_of(captured), signal.SIGKILL)


def wait_gone(process_id: int) -> None:
    """Waits until a process that is not our child has gone."""
    wait_until(lambda: not Path(f"/proc/{process_id}").exists(), what=f"the end of {process_id}")
