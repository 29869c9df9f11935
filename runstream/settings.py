"""Settings of the SDK: one object, one precedence: argument > environment > file > default.

Each environment name has its ``WANDB_`` twin as fallback. The file is ``~/.config/runstream/settings.toml``
(or where ``RUNSTREAM_CONFIG`` points) with the same names in lower case; ``runstream login`` keeps API keys
beside it, by server.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from runstream import names
from runstream.errors import InvalidField

SPOOL_FOLDER = "runstream-runs"
DEFAULT_BASE_URL = "http://127.0.0.1:8080"
Mode = Literal["online", "offline", "disabled"]
_MODES = ("online", "offline", "disabled")
ForwarderChoice = Literal["own", "node"]
_FORWARDERS = ("own", "node")
_RESUMES = ("", "allow", "must", "never", "auto")
_REINITS = ("default", "return_previous", "finish_previous", "create_new")
# What wandb's code and environments say instead.
_TWINS = {
    "mode": {"dryrun": "offline", "run": "online", "shared": "online"},
    "resume": {"true": "auto", "1": "auto", "false": "", "0": "", "none": ""},
    "reinit": {"true": "finish_previous", "1": "finish_previous", "false": "return_previous", "0": "return_previous"},
}
_TRUE = ("1", "true", "yes", "on")
_LEAST_SPOOL_BYTES = 1 << 20


CAPTURED = ("console", "program", "launcher", "code", "git", "requirements", "hardware")


@dataclass(frozen=True)
class Settings:
    """How a run is logged.

    Attributes:
        base_url: the server's HTTP address, or those of several with commas between.
        api_key: shown to the server; empty on a server without keys.
        entity: team or user; empty means the key's own.
        project: project of the run.
        mode: ``online`` spools and forwards, ``offline`` only spools, ``disabled`` does nothing.
        forwarder: ``own`` starts a forwarder beside the run, ``node`` relies on the node's ``runstream sync --follow``.
        dir: where the spool goes; its own folder ``runstream-runs`` is made there.
        run_id: id of the run; made up when empty.
        name: name shown to people.
        notes: free text.
        tags: tags.
        run_group: group of runs that belong together.
        job_type: role of the run in its group.
        resume: whether a run of the given id goes on: allow, must, never; auto takes the id from the folder's last run.
        fork_from: ``RUN?_step=N``: the run begins as a copy of that one up to the step.
        resume_from: ``RUN?_step=N``: that run goes on after the step; what it had after it is hidden.
        reinit: what ``init`` does while a run is active: return_previous, finish_previous, create_new; default is
            finish_previous in notebooks, else return_previous.
        force: ``init`` raises where no server answers, instead of going on without one.
        allow_val_change: whether config values may change without ``allow_val_change=True``.
        capture: what a run records by itself: console, program, launcher, code, git, requirements, hardware; or none.
        strict: raise where trouble of the tracker, or bad input, would otherwise be counted and printed.
        init_timeout_s: longest that ``init`` waits for an answer, if it has to ask the server.
        finish_timeout_s: longest that ``finish()`` waits for the receipt. The forwarder goes on after it.
        unreachable_timeout_s: the same while no server answers: shorter, as waiting holds a GPU for nothing.
        give_up_after_s: how long the forwarder goes on without progress once the process has gone.
        spool_max_bytes: most bytes that one process's spool may take on disk. What is logged past it is dropped and
            counted, until the server has taken some. 50 GiB are a week of 100 rows a second with 100 values each;
            a limit keeps an outage from filling the disk that checkpoints need.
        system_metrics: whether the run's own forwarder samples processes, node and GPUs, see docs/system-metrics.md.
        system_metrics_interval_s: longest time between two samples; the shortest is a second, which the first
            minute has.
        quiet: print nothing but warnings.
    """

    base_url: str = DEFAULT_BASE_URL
    api_key: str = ""
    entity: str = ""
    project: str = "uncategorized"
    mode: Mode = "online"
    forwarder: ForwarderChoice = "own"
    dir: str = "."
    run_id: str = ""
    name: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    run_group: str = ""
    job_type: str = ""
    resume: str = ""
    fork_from: str = ""
    resume_from: str = ""
    reinit: str = "default"
    force: bool = False
    allow_val_change: bool = False
    capture: tuple[str, ...] = CAPTURED
    strict: bool = False
    init_timeout_s: float = 5.0
    finish_timeout_s: float = 60.0
    unreachable_timeout_s: float = 5.0
    give_up_after_s: float = 300.0
    spool_max_bytes: int = 50 << 30
    system_metrics: bool = True
    system_metrics_interval_s: float = 15.0
    quiet: bool = False

    def __repr__(self) -> str:
        shown = {field.name: getattr(self, field.name) for field in fields(self)}
        shown["api_key"] = "***" if self.api_key else ""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def validate(self) -> None:
        """Raises InvalidField naming the first setting that cannot be."""
        if self.mode not in _MODES:
            raise InvalidField("mode", f"must be one of {', '.join(_MODES)}, not {self.mode!r}")
        if self.forwarder not in _FORWARDERS:
            raise InvalidField("forwarder", f"must be one of {', '.join(_FORWARDERS)}, not {self.forwarder!r}")
        for name, allowed in (("resume", _RESUMES), ("reinit", _REINITS)):
            if getattr(self, name) not in allowed:
                shown = ", ".join(filter(None, allowed))
                raise InvalidField(name, f"must be one of {shown}, not {getattr(self, name)!r}")
        if sum(map(bool, (self.resume, self.fork_from, self.resume_from))) > 1:
            raise InvalidField("resume", "only one of resume, fork_from and resume_from can be given")
        for name in ("project", "entity", "run_id"):
            value = getattr(self, name)
            problem = names.name_problem(value) if value or name == "project" else None
            if problem:
                raise InvalidField(name, problem)
        for name in ("init_timeout_s", "finish_timeout_s", "unreachable_timeout_s", "give_up_after_s"):
            if not getattr(self, name) >= 0:
                raise InvalidField(name, f"must be 0 or more seconds, not {getattr(self, name)}")
        unknown = [part for part in self.capture if part not in (*CAPTURED, "none")]
        if unknown:
            raise InvalidField("capture", f"must be some of {', '.join(CAPTURED)}, or none, not {unknown[0]!r}")
        if not self.system_metrics_interval_s > 0:
            given = self.system_metrics_interval_s
            raise InvalidField("system_metrics_interval_s", f"must be more than 0 seconds, not {given}")
        if self.spool_max_bytes < _LEAST_SPOOL_BYTES:
            least = f"{_LEAST_SPOOL_BYTES:,} or more bytes"
            raise InvalidField("spool_max_bytes", f"must be {least}, not {self.spool_max_bytes:,}")


def load(arguments: Mapping[str, object | None], environ: Mapping[str, str] = os.environ) -> Settings:
    """Puts settings together from arguments (None means not given), environment, file and defaults.

    Raises:
        InvalidField: a value cannot be what it is given for.
    """
    chosen: dict[str, Any] = {}
    from_file = _read_file(config_dir(environ) / "settings.toml")
    for field in fields(Settings):
        given = arguments.get(field.name)
        if given is None:
            given = _from_environment(field.name, environ)
        if given is None:
            given = from_file.get(field.name)
        if given is not None:
            chosen[field.name] = _converted(field.name, cast(str, field.type), given)
    if not chosen.get("api_key"):
        base_url = chosen.get("base_url", DEFAULT_BASE_URL)
        chosen["api_key"] = stored_key(base_url, environ) or netrc_key(base_url, environ)
    settings = Settings(**chosen)
    settings.validate()
    return settings


def config_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where settings and credentials are kept."""
    if environ.get("RUNSTREAM_CONFIG"):
        return Path(environ["RUNSTREAM_CONFIG"])
    base = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config"
    return Path(base) / "runstream"


def credentials_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where ``runstream login`` keeps API keys, by server."""
    return config_dir(environ) / "credentials.json"


def stored_key(base_url: str, environ: Mapping[str, str] = os.environ) -> str:
    """The API key that ``runstream login`` kept for a server, or an empty string."""
    try:
        keys = json.loads(credentials_file(environ).read_text("utf-8"))
        return str(keys.get(base_url.rstrip("/"), ""))
    except (OSError, ValueError, AttributeError):
        return ""


def store_key(base_url: str, api_key: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Keeps an API key for a server, readable by this user alone, and returns the file."""
    path = credentials_file(environ)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        keys = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        keys = {}
    building = path.with_suffix(".building")
    building.touch(mode=0o600)
    building.write_text(json.dumps({**keys, base_url.rstrip("/"): api_key}), "utf-8")
    building.replace(path)
    return path


def netrc_key(base_url: str, environ: Mapping[str, str] = os.environ) -> str:
    """The password that ``~/.netrc`` has for a server, where ``wandb login`` keeps keys; or an empty string."""
    home = Path(environ.get("HOME", "/"))
    places = [Path(environ["NETRC"])] if environ.get("NETRC") else [home / ".netrc", home / "_netrc"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return ""
    import netrc  # with what it imports 10 ms, and few have the file

    parts = urlsplit(base_url.split(",")[0])
    try:
        machines = netrc.netrc(str(path))
        found = [machines.hosts.get(name or "") for name in (parts.netloc, parts.hostname)]
    except (OSError, netrc.NetrcParseError, ValueError):
        return ""
    return next((str(entry[2]) for entry in found if entry and entry[2]), "")


def _from_environment(name: str, environ: Mapping[str, str]) -> str | None:
    if name == "mode" and environ.get("WANDB_DISABLED", "").lower() in _TRUE and not environ.get("RUNSTREAM_MODE"):
        return "disabled"
    if name == "system_metrics" and not environ.get("RUNSTREAM_SYSTEM_METRICS"):
        disabled = environ.get("WANDB_X_DISABLE_STATS") or environ.get("WANDB__DISABLE_STATS") or ""
        return "false" if disabled.lower() in _TRUE else None
    upper = name.upper()
    found = environ.get(f"RUNSTREAM_{upper}") or environ.get(f"WANDB_{upper}")
    return found or (environ.get("WANDB_SILENT") if name == "quiet" else None) or None


def _read_file(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InvalidField(str(path), f"cannot be read: {error}") from error


def _converted(name: str, wanted: str, given: object) -> object:
    try:
        if wanted == "float":
            return float(given)  # type: ignore[arg-type]
        if wanted == "int":
            return int(given)  # type: ignore[call-overload]
        if wanted == "bool":
            return given if isinstance(given, bool) else str(given).lower() in _TRUE
        if wanted.startswith("tuple"):
            parts = given.split(",") if isinstance(given, str) else list(given)  # type: ignore[call-overload]
            return tuple(str(part).strip() for part in parts if str(part).strip())
        return _TWINS.get(name, {}).get(str(given).lower(), str(given))
    except (TypeError, ValueError):
        raise InvalidField(name, f"must be a {wanted}, not {given!r}") from None
