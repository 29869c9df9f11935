"""What a training process does beside training: once a second, off the hot path.

Syncs the spool to the disk, writes down what was refused, prints what the forwarder has to say, and starts
the forwarder, again if it dies; or sees that the node's works. The forwarder is a process of its own: it is
started, never imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runstream.settings import Settings
from runstream.spool.ledger import read_receipt
from runstream.spool.places import FORWARDER_LOCK, is_locked
from runstream.spool.writer import SpoolWriter

_INTERVAL_S = 1.0
_RECEIPT_POLL_S = 0.005
# Other ranks and system metrics may keep it a while; nobody waits for them.
_REAP_S = 0.25
# The node's forwarder looks for new runs once a second, a little later where there are very many.
_NODE_GRACE_S = 5.0


class Keeper:
    """Looks after one writer's spool and its forwarder.

    Args:
        writer: the spool.
        settings: the run's settings.
        say: prints a line to the user.
        every_second: what else is done each time.
    """

    def __init__(
        self,
        writer: SpoolWriter,
        settings: Settings,
        say: Callable[[str], None],
        every_second: Callable[[], None] = lambda: None,
    ) -> None:
        self._writer = writer
        self._settings = settings
        self._say = say
        self._every_second = every_second
        self._run_dir = writer.directory.parent
        self._stopped = threading.Event()
        self._forwarder: subprocess.Popen[bytes] | None = None
        self._starts_forwarder = settings.mode == "online" and settings.forwarder == "own"
        self._forwarder_seen_at = time.monotonic()
        self._said: set[tuple[str, ...]] = set()
        self._thread = threading.Thread(target=self._keep, name="runstream-keeper", daemon=True)

    def start(self) -> None:
        """Starts the forwarder and the thread."""
        self._ensure_forwarder()
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; the forwarder goes on."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait_for_receipt(self, now: Callable[[], float], sleep: Callable[[float], None]) -> dict[str, Any] | None:
        """Waits until the forwarder has closed the account, at most as long as the settings say."""
        started = now()
        while (receipt := read_receipt(self._writer.directory)) is None:
            self._ensure_forwarder()
            trouble = self.trouble()
            limit = self._settings.unreachable_timeout_s if trouble else self._settings.finish_timeout_s
            if now() - started >= min(limit, self._settings.finish_timeout_s):
                return None
            sleep(_RECEIPT_POLL_S)
        if self._forwarder is not None:
            try:
                self._forwarder.wait(timeout=_REAP_S)  # it has nothing left to do; leave no zombie
            except subprocess.TimeoutExpired:
                return receipt
        return receipt

    def trouble(self) -> str:
        """What keeps the forwarder from the server, or an empty string."""
        if self._settings.forwarder == "node" and not self._has_node_forwarder():
            folder = self._run_dir.parent.parent
            return f"no forwarder of this node works here; start one with `runstream sync --follow {folder}`"
        try:
            said = json.loads((self._run_dir / "forwarder.json").read_text("utf-8"))
        except (OSError, ValueError):
            return ""
        return "" if said["state"] == "connected" else str(said["message"])

    def _keep(self) -> None:
        while not self._stopped.wait(_INTERVAL_S):
            try:
                self._every_second()
                self._writer.sync()
                self.report_refusals()
                self._ensure_forwarder()
                if self._settings.mode == "online":
                    self._report_trouble()
            except Exception as error:  # the tracker never kills training (I4)
                self._say_once(("keeper", repr(error)), f"background work failed: {error!r}")

    def report_refusals(self) -> None:
        """Writes down what was refused and prints each kind once."""
        with self._writer.lock:
            refused = self._writer.flush_refusals()
            is_full = self._writer.unreported_points > 0
        for entry in refused:
            where = f"{entry.field!r}: " if entry.field else ""
            self._say_once((entry.reason, entry.field), f"refused {where}{entry.message}")
        if is_full:
            trouble = self._writer.last_trouble
            self._say_once(
                ("disk",),
                f"cannot write to {self._writer.directory}: {trouble}; "
                "points are dropped and counted until there is room",
            )

    def _report_trouble(self) -> None:
        trouble = self.trouble()
        if trouble:
            self._say_once(
                ("trouble", trouble), f"not sending yet: {trouble}; points are kept in {self._writer.directory}"
            )

    def _ensure_forwarder(self) -> None:
        """Starts a forwarder unless one works in the run's directory, ours, another rank's or the node's."""
        if not self._starts_forwarder or (self._forwarder is not None and self._forwarder.poll() is None):
            return
        if is_locked(self._run_dir / FORWARDER_LOCK):
            return
        self._forwarder = start_forwarder(self._run_dir, self._settings)

    def _has_node_forwarder(self) -> bool:
        """Whether one works here, or did a moment ago."""
        if is_locked(self._run_dir / FORWARDER_LOCK):
            self._forwarder_seen_at = time.monotonic()
        return time.monotonic() - self._forwarder_seen_at < _NODE_GRACE_S

    def _say_once(self, key: tuple[str, ...], text: str) -> None:
        if key not in self._said:
            self._said.add(key)
            self._say(text)


def start_forwarder(run_dir: Path, settings: Settings) -> subprocess.Popen[bytes]:
    """Starts a forwarder for a run's directory, detached: signals to the training process miss it."""
    root = str(Path(__file__).resolve().parent.parent)
    environ = {
        **os.environ,
        "RUNSTREAM_BASE_URL": settings.base_url,
        "RUNSTREAM_API_KEY": settings.api_key,
        "RUNSTREAM_GIVE_UP_AFTER_S": str(settings.give_up_after_s),
        "RUNSTREAM_SYSTEM_METRICS": "true" if settings.system_metrics else "false",
        "RUNSTREAM_SYSTEM_METRICS_INTERVAL_S": str(settings.system_metrics_interval_s),
        # The same runstream as this process has; -P below keeps the current folder's modules out.
        "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",  # numpy would start a thread a core in every forwarder
    }
    with (run_dir / "forwarder.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "runstream.forward", str(run_dir)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environ,
            start_new_session=True,
        )
