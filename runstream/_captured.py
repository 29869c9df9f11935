"""What a run records by itself in the training process: its output by line, and facts about its start.

Nothing here is waited for while training, and whatever goes wrong costs lines or facts, never training (I4).
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstream.settings import CAPTURED
from runstream.spool.places import LAST_WORDS_FILE

if TYPE_CHECKING:
    from runstream.capture.console import Capture
    from runstream.capture.line import Line
    from runstream.capture.metadata import Metadata

# A short script ends before its facts are found; they take some ten milliseconds, unless git or a driver hangs.
_WAIT_FOR_FACTS_S = 1.0


def wanted(chosen: Collection[str], environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """The parts that are recorded: those chosen, without those that wandb's variables switch off."""
    parts = set(chosen) & set(CAPTURED)
    if environ.get("WANDB_CONSOLE") == "off":
        parts.discard("console")
    if environ.get("WANDB_DISABLE_GIT", "").lower() in ("1", "true"):
        parts.discard("git")
    if environ.get("WANDB_DISABLE_CODE", "").lower() in ("1", "true"):
        parts -= {"code", "git"}
    return frozenset(parts)


class Captured:
    """The recording of one run.

    Args:
        directory: the writer's directory; a killed process's last words are left there.
        parts: what to record, some of CAPTURED.
        append: appends a record to the spool; False if it could not.
    """

    def __init__(self, directory: Path, parts: Collection[str], append: Callable[[Mapping[str, Any]], bool]) -> None:
        self._directory = directory
        self._parts = parts
        self._append = append
        self._console: Capture | None = None
        self._facts: threading.Thread | None = None
        self._lost_lines = 0

    def start(self) -> None:
        """Begins; what is printed before is not heard."""
        facts = [part for part in CAPTURED[1:] if part in self._parts]
        if facts:
            from runstream.capture.metadata import collect_in_background

            self._facts = collect_in_background(self._take_facts, facts)  # type: ignore[arg-type]
        if "console" in self._parts:
            from runstream.capture.console import start

            self._console = start(self._take_lines, last_words=self._directory / LAST_WORDS_FILE)

    def stop(self) -> str:
        """Ends; what was printed so far is in the spool. Returns what went wrong, for people."""
        trouble = ""
        if self._console is not None:
            self._console.stop()
            trouble = self._console.trouble
        if self._facts is not None:
            self._facts.join(_WAIT_FOR_FACTS_S)
        return trouble or (f"{self._lost_lines} lines of output found no room" if self._lost_lines else "")

    def _take_lines(self, lines: Sequence[Line]) -> None:
        from runstream.capture.records import console_records

        for record in console_records(lines):
            if not self._append(record):
                self._lost_lines += len(record["console"]["lines"])

    def _take_facts(self, metadata: Metadata) -> None:
        self._append({"document": {"kind": "KIND_METADATA", "json": json.dumps(metadata.document)}})
