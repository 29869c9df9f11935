"""Collects the parts of a run's metadata, one after the other; one that fails leaves its error in its place."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from runstream.capture import git, hardware, launcher, requirements
from runstream.capture.metadata import PARTS, Part
from runstream.capture.redact import LineRedactor, Redactor

MAX_FILE_BYTES = 1 << 20
PATCH_FILE = "diff.patch"


class Collector:
    """What has been found so far.

    Attributes:
        found: facts by part.
        files: contents by name.
    """

    def __init__(self, redact: bool) -> None:
        self.found: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self._redactor = Redactor(os.environ) if redact else None
        self._cwd = ""
        self._readers: dict[Part, Callable[[], Any]] = {
            "program": self._program,
            "code": self._code,
            "git": self._git,
            "requirements": lambda: requirements.installed(sys.path),
            "hardware": lambda: hardware.read(self._cwd or "/"),
            "launcher": lambda: launcher.read(os.environ),
        }

    def run(self, parts: Collection[Part]) -> None:
        """Collects the wanted parts."""
        try:
            self._cwd = os.getcwd()
        except OSError:  # somebody removed it
            self._cwd = ""
        for part in filter(parts.__contains__, PARTS):
            try:
                self.found[part] = self._readers[part]()
            except Exception as error:  # a missing fact is no reason to fail (I4)
                self.found[part] = {"error": self._text(f"{type(error).__name__}: {error}")}

    def _program(self) -> dict[str, Any]:
        arguments = list(getattr(sys, "orig_argv", sys.argv))
        return {
            "host": socket.gethostname(),
            "user": os.environ.get("USER", ""),
            "process_id": os.getpid(),
            "os": platform.platform(),
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
            "command": self._redactor.arguments(arguments) if self._redactor else arguments,
            "cwd": self._cwd,
        }

    def _code(self) -> dict[str, Any]:
        main = sys.modules.get("__main__")
        spec = getattr(main, "__spec__", None)
        facts: dict[str, Any] = {"module": spec.name} if spec is not None else {}
        file = getattr(main, "__file__", None)
        if not file or file.startswith("<"):
            return facts  # a notebook, or code given by -c
        path = Path(self._cwd, file)
        content = path.read_bytes()
        self._keep(f"code/{path.name}", content[:MAX_FILE_BYTES])
        return {**facts, "path": str(path), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}

    def _git(self) -> dict[str, Any]:
        facts, patch = git.read(self._cwd or "/", MAX_FILE_BYTES)
        if patch:
            self._keep(PATCH_FILE, patch)
        return facts

    def _keep(self, name: str, content: bytes) -> None:
        # Line by line: one pattern over a whole file would hold the interpreter lock for its time.
        redact = LineRedactor(self._redactor)
        lines = content.decode("utf-8", "replace").split("\n")
        self.files[name] = "\n".join(redact(name, line) for line in lines).encode()

    def _text(self, text: str) -> str:
        return self._redactor.text(text) if self._redactor else text
