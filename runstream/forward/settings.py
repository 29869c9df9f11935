"""Settings of the forwarder; a training process hands them over by environment, never by argument list."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ForwardSettings:
    """How a forwarder works.

    Attributes:
        run_dir: the run's directory; every writer's directory in it is forwarded.
        base_url: the server's HTTP address; the gRPC address is asked from it.
        api_key: sent with every call; empty on a server without keys.
        poll_s: how often growing segments are looked at. Shorter shows points sooner, costs CPU.
        idle_poll_s: how often silent ones are, at least. A row after a long silence is seen that much later.
        heartbeat_s: how often the server is told that the writer lives, with its account so far; the server
            calls a writer crashed after three missing ones.
        give_up_after_s: how long to go on without any progress once the training process has gone. The
            spool stays for ``runstream sync``.
        max_batch_points: values in one message; 10,000 to 50,000 reach the transport's rate.
        system_metrics_interval_s: longest time between two samples of system metrics; 0 means none. Only a run's own
            forwarder takes them.
    """

    run_dir: Path
    base_url: str
    api_key: str = ""
    poll_s: float = 0.02
    idle_poll_s: float = 0.25
    heartbeat_s: float = 10.0
    give_up_after_s: float = 300.0
    max_batch_points: int = 32_768
    system_metrics_interval_s: float = 0.0

    def __repr__(self) -> str:
        return f"ForwardSettings(run_dir={str(self.run_dir)!r}, base_url={self.base_url!r}, api_key=***)"


def from_environment(run_dir: Path) -> ForwardSettings:
    """Reads what the training process handed over."""
    return ForwardSettings(
        run_dir=run_dir,
        base_url=os.environ["RUNSTREAM_BASE_URL"],
        api_key=os.environ.get("RUNSTREAM_API_KEY", ""),
        give_up_after_s=float(os.environ.get("RUNSTREAM_GIVE_UP_AFTER_S", "300")),
        system_metrics_interval_s=_interval_s() if os.environ.get("RUNSTREAM_SYSTEM_METRICS") == "true" else 0.0,
    )


def _interval_s() -> float:
    return float(os.environ.get("RUNSTREAM_SYSTEM_METRICS_INTERVAL_S", "15"))
