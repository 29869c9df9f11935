"""The module-level functions: ``init``, and ``log``, ``config``, ``summary``, ``finish`` of the current run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from runstream import settings as settings_module
from runstream._run import Run, new_run_id, open_run
from runstream.documents import Document
from runstream.errors import RunstreamError
from runstream.identity import detect, shared_run_id
from runstream.settings import Settings

_current: Run | None = None


class NoRun(RunstreamError):
    """A module-level function was called before ``runstream.init()``."""

    reason = "NO_RUN"


def init(
    project: str | None = None,
    entity: str | None = None,
    config: object = None,
    name: str | None = None,
    id: str | None = None,
    resume: bool | str | None = None,
    tags: Iterable[str] | None = None,
    notes: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: Literal["online", "offline", "disabled"] | None = None,
    dir: str | os.PathLike[str] | None = None,
    *,
    rank: int | None = None,
    world_size: int | None = None,
    attempt: int | None = None,
    reinit: bool | str | None = None,
    settings: Mapping[str, Any] | Settings | None = None,
) -> Run:
    """Starts a run, or this process's part of one, and makes it the current one.

    Does no network I/O. Rank, world size and attempt are detected from torchrun, Slurm, MPI and Kubernetes
    unless given; every rank of a job calls ``init`` with the same ``id``.

    Args:
        project: project of the run.
        entity: team or user; by default the API key's own.
        config: hyper-parameters: a mapping, argparse.Namespace or dataclass.
        name: name shown to people.
        id: id of the run; an id that exists goes on in that run, as a new attempt.
        resume: accepted for wandb code; a run with a given ``id`` is always resumed.
        tags: tags.
        notes: free text.
        group: group of runs that belong together.
        job_type: role of the run in its group.
        mode: ``online``, ``offline`` or ``disabled``.
        dir: where the spool goes.
        rank: rank of this process.
        world_size: number of ranks.
        attempt: which start of the job this is; higher for later ones, the same for all ranks.
        reinit: finish the current run first; without it, ``init`` returns the current run.
        settings: further settings by name, see ``Settings``.

    Raises:
        InvalidField: an argument or setting cannot be.
    """
    global _current
    del resume
    if _current is not None and not _current._is_finished:
        if not reinit or reinit == "return_previous":
            return _current
        _current.finish()
    arguments: dict[str, object | None] = dict(_as_mapping(settings))
    arguments |= _given(
        project=project,
        entity=entity,
        run_id=id,
        name=name,
        tags=tags,
        notes=notes,
        run_group=group,
        job_type=job_type,
        mode=mode,
        dir=os.fspath(dir) if dir is not None else None,
    )
    chosen = settings_module.load(arguments)
    identity = detect(os.environ, int(time.time()), rank=rank, world_size=world_size, attempt=attempt)
    run_id = chosen.run_id or shared_run_id(os.environ) or new_run_id()
    _current = open_run(chosen, identity, run_id, config)
    if not chosen.quiet and chosen.mode != "disabled" and identity.rank == 0:
        _current._say(f"run {run_id} of {chosen.project}: {_where(_current)}")
    return _current


def log(data: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
    """Logs one history row to the current run; see ``Run.log``."""
    _the_run("log").log(data, step, commit)


def finish(exit_code: int = 0, quiet: bool | None = None) -> None:
    """Finishes the current run, if there is one; see ``Run.finish``."""
    global _current
    if _current is not None:
        _current.finish(exit_code, quiet)
        _current = None


def login(key: str | None = None, host: str | None = None) -> bool:
    """Keeps an API key for a server. Returns whether there is a key for it now."""
    base_url = host or settings_module.load({}).base_url
    if key:
        settings_module.store_key(base_url, key)
    return bool(key or settings_module.load({"base_url": base_url}).api_key)


def current_run() -> Run | None:
    """The current run, or None."""
    return None if _current is None or _current._is_finished else _current


def current_config() -> Document:
    """The config of the current run."""
    return _the_run("config").config


def current_summary() -> Document:
    """The summary of the current run."""
    return _the_run("summary").summary


def _the_run(wanted: str) -> Run:
    if _current is None:
        raise NoRun(f"no run for runstream.{wanted}", next_step="call runstream.init() first")
    return _current


def _given(**arguments: object | None) -> dict[str, object | None]:
    return {name: value for name, value in arguments.items() if value is not None}


def _as_mapping(settings: Mapping[str, Any] | Settings | None) -> Mapping[str, Any]:
    if isinstance(settings, Settings):
        return cast(Mapping[str, Any], settings.__dict__)
    return settings or {}


def _where(run: Run) -> str:
    if run._settings.mode == "offline":
        return f"offline, spooled in {run.dir}"
    return run.url
