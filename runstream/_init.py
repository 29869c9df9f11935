"""``runstream.init``: from arguments to an open run. And the runs of this process: which is the current one."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from runstream import _ends
from runstream import settings as settings_module
from runstream._resume import Beginning, begin, parse_moment, remember_run, remembered_run
from runstream._run import Run, open_run
from runstream._settings_forms import Settings, given_settings
from runstream._spooled import random_id
from runstream.documents import to_json
from runstream.errors import InvalidField, RunstreamError, SetupError
from runstream.forms import DEFAULTS_FILE, as_mapping, chosen, read_file
from runstream.identity import Identity, detect, shared_run_id

_NOT_THERE = ("save_code", "sync_tensorboard", "monitor_gym")

_lock = threading.RLock()
_current: Run | None = None
_process_settings: dict[str, Any] = {}


def init(
    project: str | None = None,
    entity: str | None = None,
    config: object = None,
    name: str | None = None,
    id: str | None = None,
    resume: bool | Literal["allow", "must", "never", "auto"] | None = None,
    tags: Iterable[str] | None = None,
    notes: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: Literal["online", "offline", "disabled", "dryrun", "shared"] | None = None,
    dir: str | os.PathLike[str] | None = None,
    *,
    rank: int | None = None,
    world_size: int | None = None,
    attempt: int | None = None,
    config_exclude_keys: list[str] | None = None,
    config_include_keys: list[str] | None = None,
    allow_val_change: bool | None = None,
    force: bool | None = None,
    reinit: bool | Literal["default", "return_previous", "finish_previous", "create_new"] | None = None,
    resume_from: str | None = None,
    fork_from: str | None = None,
    save_code: bool | None = None,
    sync_tensorboard: bool | None = None,
    tensorboard: bool | None = None,
    monitor_gym: bool | None = None,
    anonymous: object = None,
    settings: Mapping[str, Any] | Settings | settings_module.Settings | None = None,
) -> Run:
    """Starts a run, or this process's part of one, and makes it the current one.

    Asks the server at most one question, and only with ``resume``, ``fork_from``, ``resume_from``, ``force`` or an
    API key. Rank, world size and attempt are detected from torchrun, Slurm, MPI and Kubernetes unless given; every
    rank of a job calls ``init`` with the same ``id``.

    Args:
        project: project of the run.
        entity: team or user; by default the API key's own.
        config: hyper-parameters: a mapping, argparse.Namespace, dataclass, pydantic model, absl flags, OmegaConf
            config, or the path of a YAML or JSON file. What a ``config-defaults.yaml`` in the working directory has
            goes under it.
        name: name shown to people.
        id: id of the run. An id that exists goes on in that run, as a new attempt.
        resume: ``allow`` goes on after the last step of a run of this id if there is one, ``must`` and ``never`` insist
            that there is one or none; ``auto`` takes the id of the last run of the folder that has not ended well.
        tags: tags.
        notes: free text.
        group: group of runs that belong together.
        job_type: role of the run in its group.
        mode: ``online``, ``offline`` (or ``dryrun``) or ``disabled``; ``shared`` is online, as every run is shared.
        dir: where the spool goes.
        rank: rank of this process.
        world_size: number of ranks.
        attempt: which start of the job this is; higher for later ones, the same for all ranks.
        config_exclude_keys: keys of ``config`` to leave out.
        config_include_keys: the only keys of ``config`` to take.
        allow_val_change: whether config values may change later without saying so; True in notebooks.
        force: raise where no server answers or no API key is known, instead of going on.
        reinit: what to do while another run is active: return it, finish it, or create a run beside it, which does not
            become the current one. By default it is finished in notebooks and returned elsewhere.
        resume_from: ``RUN?_step=N``: that run goes on after step N; what it had after it is hidden.
        fork_from: ``RUN?_step=N``: a new run that begins with that run's config, after step N.
        save_code: not there yet; said so if asked for.
        sync_tensorboard: not there yet; said so if asked for.
        tensorboard: the same.
        monitor_gym: not there yet; said so if asked for.
        anonymous: accepted for wandb code; there is nothing like it.
        settings: further settings by name, see ``Settings``.

    Raises:
        InvalidField: an argument or setting cannot be.
        Conflict: ``resume="never"`` and the run is there.
        NotFound: ``resume="must"`` and it is not, or the run to fork from is not.
        KeyMissing, KeyUnknown, NotAllowed: the server refuses the API key.
    """
    global _current
    del anonymous
    with _lock:
        effective = settings_module.load(
            _process_settings
            | given_settings(settings)
            | _given(
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
                resume=resume,
                fork_from=fork_from,
                resume_from=resume_from,
                reinit=reinit,
                force=force,
                allow_val_change=allow_val_change,
            )
        )
        previous = _previous_run(effective)
        if previous is not None:
            return previous
        asked = (save_code, sync_tensorboard or tensorboard, monitor_gym)
        _say_what_is_not_there(effective, [name for name, is_asked in zip(_NOT_THERE, asked, strict=True) if is_asked])
        identity = detect(os.environ, int(time.time()), rank=rank, world_size=world_size, attempt=attempt)
        run_id, is_given = _choose_id(effective)
        wanted = chosen(as_mapping(config), config_include_keys, config_exclude_keys)
        beginning = begin(effective, identity, run_id, is_given=is_given, say=_say)
        run = open_run(effective, identity, run_id, wanted, beginning, _defaults(effective))
        if effective.resume == "auto" and identity.rank == 0:
            remember_run(effective, run_id)
        if effective.reinit != "create_new":
            _current = run
        if not effective.quiet and not run.disabled and identity.rank == 0:
            where = f"offline, spooled in {run.dir}" if run.offline else run.url
            _say(f"run {run_id} of {run.project}: {where}{' (resumed)' if run.resumed else ''}")
        return run


def current_run() -> Run | None:
    """The current run, or None."""
    return None if _current is None or _current.has_ended else _current


def setup(settings: Mapping[str, Any] | Settings | settings_module.Settings | None = None) -> settings_module.Settings:
    """Sets settings for every later ``init`` of this process, below its arguments; returns those now in force."""
    _process_settings.update(given_settings(settings))
    return settings_module.load(_process_settings)


def teardown(exit_code: int | None = None) -> None:
    """Finishes every run of this process and forgets what ``setup`` and ``login`` set."""
    for run in _ends.active_runs():
        run.finish(exit_code)
    _process_settings.clear()


def attach_id(run: Run) -> str:
    """What another process needs to log to a run, as text."""
    settings = run.settings
    chosen = {"base_url": settings.base_url, "entity": settings.entity, "project": settings.project}
    chosen |= {"mode": settings.mode, "dir": str(Path(settings.dir).absolute()), "forwarder": settings.forwarder}
    return json.dumps(
        {
            "settings": chosen,
            "id": run.id,
            "who": [run.rank, run.world_size, run.attempt],
            "step": run.step,
            "config": to_json(run.config),
        }
    )


def attach(attached: str) -> Run:
    """Opens this process's part of a run that another process has begun, and makes it the current one."""
    global _current
    with _lock:
        _current = open_run(*_attached(attached))
    return _current


def asleep(attached: str) -> Run:
    """The same for a run that was handed to another process: its part opens when it is first used there."""
    return Run(*_attached(attached), asleep=True)


def _attached(attached: str) -> tuple[settings_module.Settings, Identity, str, dict[str, Any], Beginning]:
    said = json.loads(attached)
    settings = settings_module.load(_process_settings | said["settings"])
    return settings, Identity(*said["who"]), said["id"], said["config"], Beginning(said["step"])


def _previous_run(settings: settings_module.Settings) -> Run | None:
    """The run to return instead of a new one; finishes active ones if that is wanted."""
    active = sorted(_ends.active_runs(), key=lambda run: float(run.start_time))
    policy = settings.reinit
    if policy == "default":
        policy = "finish_previous" if _ends.in_notebook() else "return_previous"
    if not active or policy == "create_new":
        return None
    if policy == "finish_previous":
        for run in active:
            run.finish()
        return None
    if settings.resume == "must":
        raise SetupError(
            f"cannot resume a run while run {active[-1].id} is active",
            next_step="finish it first, or use reinit='create_new'",
        )
    previous: Run = active[-1]
    if not settings.quiet:
        _say(f"init() was called while run {previous.id} is active, which is returned; see the argument reinit")
    return previous


def _choose_id(settings: settings_module.Settings) -> tuple[str, bool]:
    """The run's id, and whether somebody chose it."""
    if settings.resume_from:
        return parse_moment("resume_from", settings.resume_from).run, True
    if settings.fork_from and parse_moment("fork_from", settings.fork_from).run == settings.run_id:
        raise InvalidField("fork_from", f"must be another run than the new one, {settings.run_id!r}")
    remembered = remembered_run(settings) if settings.resume == "auto" else ""
    if settings.run_id:
        if remembered not in ("", settings.run_id):
            _say(f"run {remembered} of this folder has not ended well, but the id is given: {settings.run_id}")
        return settings.run_id, True
    found = remembered or shared_run_id(os.environ)
    return found or random_id(), bool(found)


def _defaults(settings: settings_module.Settings) -> Mapping[str, Any]:
    path = Path(DEFAULTS_FILE)
    if not path.exists():
        return {}
    try:
        return read_file(path)
    except InvalidField as error:
        if settings.strict:
            raise
        _say(f"{DEFAULTS_FILE} is left out: {error}")
        return {}


def _say_what_is_not_there(settings: settings_module.Settings, asked: list[str]) -> None:
    for name in asked:
        text = f"{name} is not there yet; the run goes on without it"
        if settings.strict:
            raise RunstreamError(text)
        _say(text)


def _given(**arguments: object | None) -> dict[str, object | None]:
    return {name: value for name, value in arguments.items() if value is not None}


def _say(text: str) -> None:
    print(f"runstream: {text}", file=sys.stderr, flush=True)
