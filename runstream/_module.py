"""The module-level functions: those of the current run, ``login``, and assigning ``runstream.config``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from runstream import _init, _login
from runstream import settings as settings_module
from runstream._alert import AlertLevel
from runstream._config import Config
from runstream._metrics import Metric
from runstream._run import Run
from runstream._summary import Summary
from runstream.errors import RunstreamError


class NoRun(RunstreamError):
    """A module-level function was called before ``runstream.init()``."""

    reason = "NO_RUN"


def log(data: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
    """Logs one history row to the current run; see ``Run.log``."""
    _the_run("log").log(data, step, commit)


def define_metric(
    name: str,
    step_metric: str | Metric | None = None,
    step_sync: bool | None = None,
    hidden: bool | None = None,
    summary: str | None = None,
    goal: str | None = None,
    overwrite: bool | None = None,
) -> Metric:
    """Says how a metric of the current run is shown and summed up; see ``Run.define_metric``."""
    run = _the_run("define_metric")
    return run.define_metric(name, step_metric, step_sync, hidden, summary, goal, overwrite)


def alert(
    title: str,
    text: str = "",
    level: str | AlertLevel | None = None,
    wait_duration: float | timedelta | None = None,
) -> None:
    """Says a word to people on the current run's page; see ``Run.alert``."""
    _the_run("alert").alert(title, text, level, wait_duration)


def mark_preempting() -> None:
    """Says that the machine is being taken away; see ``Run.mark_preempting``."""
    _the_run("mark_preempting").mark_preempting()


def finish(exit_code: int | None = None, quiet: bool | None = None) -> None:
    """Finishes the current run, if there is one; see ``Run.finish``."""
    run = _init.current_run()
    if run is not None:
        run.finish(exit_code, quiet)


def login(
    key: str | None = None,
    relogin: bool | None = None,
    host: str | None = None,
    force: bool | None = None,
    timeout: float | None = None,
    verify: bool = True,
    referrer: str | None = None,
    prompt: bool = True,
    anonymous: object = None,
) -> bool:
    """Checks an API key with the server and keeps it, readable by this user alone, for later runs.

    Without a key, takes the one that is known: from ``RUNSTREAM_API_KEY`` or ``WANDB_API_KEY``, an earlier login, or
    ``~/.netrc``. A server without keys needs none.

    Args:
        key: the key.
        relogin: ask for a key at the terminal, whatever is known.
        host: the server's HTTP address, also for later runs of this process.
        force: raise if there is no key, or the server cannot be reached.
        timeout: longest wait for the server, seconds; 5 by default.
        verify: ask the server whether it takes the key.
        referrer: accepted for wandb code.
        prompt: whether ``relogin`` may ask at the terminal.
        anonymous: accepted for wandb code.

    Returns whether there is a key now.

    Raises:
        KeyUnknown: the server does not take the key.
        KeyMissing: ``force``, and there is none.
        InvalidField: the key cannot be one of runstream's.
    """
    del referrer, anonymous
    given = {"base_url": host.rstrip("/")} if host else {}
    settings = settings_module.load(_init._process_settings | given)
    if settings.mode != "online":
        print(f"runstream: mode is {settings.mode}: there is nothing to log in to", file=sys.stderr)
        return False
    limit = settings.init_timeout_s if timeout is None else float(timeout)
    is_in = _login.login(
        settings, key, relogin=bool(relogin) and prompt, force=bool(force), checks=verify, timeout_s=limit
    )
    _init._process_settings.update(given)
    return is_in


def current_config() -> Config:
    """The config of the current run."""
    return _the_run("config").config


def current_summary() -> Summary:
    """The summary of the current run."""
    return _the_run("summary").summary


def assign_config(config: Any) -> None:
    """``runstream.config = {...}``: adds it to the current run's config, as the old wandb idiom means."""
    run = _init.current_run()
    if run is None:
        print(
            "runstream: runstream.config = ... before runstream.init() is not kept; give init(config=)", file=sys.stderr
        )
    elif config is not run.config:
        run.config = config


def _the_run(wanted: str) -> Run:
    run = _init.current_run()
    if run is None:
        raise NoRun(f"no run for runstream.{wanted}", next_step="call runstream.init() first")
    return run
