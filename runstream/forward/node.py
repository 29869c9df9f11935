"""A node's forwarder: follows folders for ever and forwards every run it finds there, in one process.

    folders ─► open writers ─► claim the run's directory ─► Forwarder (one channel for all)
       ▲                                                        │ closed, gave up
       └────────────── look again, once a second ◄──────────────┘

Takes what nobody forwards: runs of processes that rely on it, offline runs, and what dead processes and dead
forwarders left, after a reboot too. A process that has a forwarder of its own keeps it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from runstream.forward.chain import Forwarder, Listener, only_forwarder
from runstream.forward.settings import ForwardSettings
from runstream.spool.places import FORWARDER_LOCK, WRITER_FILE, WRITER_LOCK, is_locked, writer_dirs

_LOOK_EVERY_S = 1.0
# Looking at a tree of very many runs takes at most a twentieth of a core.
_LOOK_PAUSE_RATIO = 20
# A process looks after its own forwarder once a second; when none has come for so long, it is stopped or stuck.
_OWN_FORWARDER_GRACE_S = 5.0
# What a server refuses for good may be a matter of a key that is made later, what fails on disk one of room.
_TRY_AGAIN_S = 60.0


class NodeForwarder(Listener):
    """Forwards all runs below folders.

    Args:
        folders: where to look; one that does not exist may come.
        settings: how; ``run_dir`` is not used. Give an infinite ``give_up_after_s``: a server may be away for long.
        listener: told of each closed account, and once of each reason why a writer waits.
    """

    def __init__(self, folders: Sequence[Path], settings: ForwardSettings, listener: Listener) -> None:
        self._folders = folders
        self._listener = listener
        self._forwarder = Forwarder(settings, listener=self)
        self._working: dict[Path, asyncio.Task[None]] = {}
        self._try_again_at: dict[Path, float] = {}
        self._said: dict[Path, str] = {}
        self._without_forwarder_since: dict[Path, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Goes on until told to stop; what is in flight then is sent again by the next forwarder."""
        try:
            while not stop.is_set():
                started = time.monotonic()
                for run_dir in await asyncio.to_thread(self._find):
                    self._working[run_dir] = asyncio.create_task(self._work(run_dir))
                pause_s = max(_LOOK_EVERY_S, _LOOK_PAUSE_RATIO * (time.monotonic() - started))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause_s)
        finally:
            working = list(self._working.values())
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            await self._forwarder.close()

    def closed(self, directory: Path, receipt: dict[str, Any], /) -> None:
        """Passes it on, and keeps nothing: this process lives for months."""
        self._forwarder.receipts.pop(directory.name, None)
        self._try_again_at.pop(directory, None)
        self._said.pop(directory, None)
        self._listener.closed(directory, receipt)

    def gave_up(self, directory: Path, why: str, /) -> None:
        """Leaves a writer, or a run's directory, for a while; says why if that is new."""
        self._forwarder.gave_up.pop(directory.name, None)
        self._try_again_at[directory] = time.monotonic() + _TRY_AGAIN_S
        if self._said.get(directory) != why:
            self._said[directory] = why
            self._listener.gave_up(directory, why)

    def state(self, directory: Path, state: str, message: str, /) -> None:
        """Passes it on."""
        self._listener.state(directory, state, message)

    async def _work(self, run_dir: Path) -> None:
        """One run's directory, until all its accounts are closed or left."""
        try:
            with only_forwarder(run_dir) as is_only:
                if is_only:
                    left = {directory.name for directory in self._try_again_at if self._is_left(directory)}
                    await self._forwarder.forward(run_dir, besides=left)
        except Exception as error:  # whatever is wrong with one run, the others go on
            self.gave_up(run_dir, f"{type(error).__name__}: {error}")
        finally:
            del self._working[run_dir]

    def _find(self) -> list[Path]:
        """Runs' directories with open writers to take now."""
        found: set[Path] = set()
        before, self._without_forwarder_since = self._without_forwarder_since, {}
        for folder in self._folders:
            writers = writer_dirs(folder, only_open=True)
            for run_dir, group in groupby(writers, lambda directory: directory.parent):
                wanted = [directory for directory in group if not self._is_left(directory)]
                is_free = run_dir not in self._working and not self._is_left(run_dir)
                try:
                    if wanted and is_free and not self._has_own_forwarder(run_dir, wanted, before):
                        found.add(run_dir)
                except OSError as error:  # another user's files, perhaps
                    self.gave_up(run_dir, str(error))
        return sorted(found)

    def _is_left(self, directory: Path) -> bool:
        return time.monotonic() < self._try_again_at.get(directory, 0.0)

    def _has_own_forwarder(self, run_dir: Path, writers: Iterable[Path], before: Mapping[Path, float]) -> bool:
        """Whether another forwarder works there, or one is to be expected."""
        if is_locked(run_dir / FORWARDER_LOCK):
            return True
        if not any(_lives_with_own_forwarder(directory) for directory in writers):
            return False
        since = self._without_forwarder_since[run_dir] = before.get(run_dir, time.monotonic())
        return time.monotonic() - since < _OWN_FORWARDER_GRACE_S


def _lives_with_own_forwarder(directory: Path) -> bool:
    try:
        who = json.loads((directory / WRITER_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return False  # the tail will say what is wrong with it
    return who.get("forwarder", "own") == "own" and is_locked(directory / WRITER_LOCK)
