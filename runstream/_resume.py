"""How a run begins: anew, after an earlier attempt, or from a moment of another run.

The server is asked once, by ``init``, with a short limit, and only where the answer decides something: the id of a run
was given with ``resume``, an API key may be refused, or there is a run to fork from. A server that is away decides
nothing: the run goes on, as its spool does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from runstream.errors import Conflict, InvalidField, NotFound, RunstreamError, ServerUnreachable
from runstream.identity import Identity
from runstream.settings import SPOOL_FOLDER, Settings

_AUTO_FILE = "resume.json"


@dataclass(frozen=True)
class Moment:
    """A step of a run."""

    run: str
    step: int


@dataclass(frozen=True)
class Earlier:
    """What the server has of a run: the step after its last one, and its attributes."""

    next_step: int
    config: Mapping[str, Any]
    display_name: str
    notes: str
    tags: tuple[str, ...]
    group: str
    job_type: str


@dataclass(frozen=True)
class Beginning:
    """How a run begins.

    Attributes:
        first_step: step of the first row without one.
        earlier: what the run, or the one it is forked from, was before.
        is_resumed: whether it goes on in a run that the server has.
        said: what the run's first record says of it.
    """

    first_step: int = 0
    earlier: Earlier | None = None
    is_resumed: bool = False
    said: Mapping[str, Any] = field(default_factory=dict)


def parse_moment(name: str, text: str) -> Moment:
    """Reads ``RUN?_step=N``.

    Raises:
        InvalidField: the text, of the argument of this name, has another form.
    """
    run, _, query = text.partition("?")
    values = parse_qs(query)
    try:
        (step,) = values["_step"]
        number = int(step) if step.isdigit() else float(step)
        if run and "/" not in run and set(values) == {"_step"} and math.isfinite(number) and number >= 0:
            return Moment(unquote(run), int(number))
    except (KeyError, ValueError):
        pass
    raise InvalidField(name, f"must be RUN?_step=N, such as 'ans3bsax?_step=100', not {text!r:.100}")


def begin(
    settings: Settings, identity: Identity, run_id: str, *, is_given: bool, say: Callable[[str], None]
) -> Beginning:
    """Decides how a run begins; asks the server if that needs it.

    Of several ranks the first decides whether the run may, or must, be there: it is the one that makes it.

    Args:
        settings: the run's settings.
        identity: which process of the job this is.
        run_id: the run's id.
        is_given: whether somebody chose the id, so that a run of it may be there.
        say: prints a word to the user.

    Raises:
        Conflict: ``resume="never"`` and the run is there.
        NotFound: ``resume="must"`` and it is not, or the run to fork from is not.
        RunstreamError: the server refuses the API key.
    """
    fork = parse_moment("fork_from", settings.fork_from) if settings.fork_from else None
    rewind = parse_moment("resume_from", settings.resume_from) if settings.resume_from else None
    moment = fork or rewind
    decides = identity.rank == 0
    can_be_resumed = is_given and settings.resume in ("allow", "must", "never", "auto")
    asks = bool(moment) or can_be_resumed or settings.force or (bool(settings.api_key) and decides)
    earlier: Earlier | None = None
    if settings.mode == "online" and asks:
        try:
            earlier = ask(settings, moment.run if moment else run_id)
        except RunstreamError as error:
            is_about_this = not error.retryable and error.reason != RunstreamError.reason
            if settings.force or is_about_this:
                raise
            if moment or can_be_resumed:
                say(f"cannot ask whether run {moment.run if moment else run_id} is there: {error.message}; it goes on")
            return _from_moment(fork, rewind, None)
        _check(settings, run_id, earlier, moment, decides=decides)
    if moment:
        return _from_moment(fork, rewind, earlier)
    if earlier is not None and can_be_resumed:
        return Beginning(earlier.next_step, earlier, True)
    return Beginning()


def ask(settings: Settings, run_id: str) -> Earlier | None:
    """Asks the server for a run; None if it has none of this id.

    Raises:
        RunstreamError: it refuses, or nothing answers at any of its addresses in time.
    """
    from runstream.rpc_client import call  # urllib costs 40 ms, and most runs ask nothing

    request = {"name": f"{settings.entity or '-'}/{settings.project}/{run_id}"}
    trouble: ServerUnreachable | None = None
    for url in settings.base_url.split(","):
        try:
            answer = call(
                url, "QueryService/GetRun", request, api_key=settings.api_key, timeout_s=settings.init_timeout_s
            )
        except NotFound:
            return None
        except ServerUnreachable as error:
            trouble = error
        else:
            return _earlier(answer)
    assert trouble is not None
    raise trouble


def remembered_run(settings: Settings) -> str:
    """The id of the last run of this folder that has not ended well, for ``resume="auto"``; or an empty string."""
    try:
        return str(json.loads(_auto_file(settings).read_text("utf-8"))["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def remember_run(settings: Settings, run_id: str) -> None:
    """Keeps a run's id until it has ended well."""
    path = _auto_file(settings)
    building = path.with_suffix(".building")
    try:
        building.write_text(json.dumps({"run_id": run_id}), "utf-8")
        building.replace(path)
    except OSError:
        return  # without room for 30 bytes the run itself has words for that


def forget_run(settings: Settings, run_id: str) -> None:
    """The run has ended well."""
    if remembered_run(settings) == run_id:
        _auto_file(settings).unlink(missing_ok=True)


def _auto_file(settings: Settings) -> Path:
    return Path(settings.dir).absolute() / SPOOL_FOLDER / settings.project / _AUTO_FILE


def _check(settings: Settings, run_id: str, earlier: Earlier | None, moment: Moment | None, *, decides: bool) -> None:
    if moment is not None:
        if earlier is None:
            raise NotFound(
                f"run {moment.run!r} of project {settings.project!r} does not exist",
                next_step="fork_from and resume_from name a run of the same project",
            )
    elif not decides:
        return
    elif settings.resume == "must" and earlier is None:
        raise NotFound(
            f"run {run_id!r} of project {settings.project!r} does not exist and resume is 'must'",
            next_step="check the id, or use resume='allow'",
        )
    elif settings.resume == "never" and earlier is not None:
        raise Conflict(
            f"run {run_id!r} of project {settings.project!r} exists and resume is 'never'",
            next_step="choose another id, or use resume='allow'",
        )


def _from_moment(fork: Moment | None, rewind: Moment | None, earlier: Earlier | None) -> Beginning:
    if fork is not None:
        said = {"forkFrom": {"run": fork.run, "step": str(fork.step)}}
        return Beginning(fork.step + 1, earlier, False, said)
    if rewind is not None:
        return Beginning(rewind.step + 1, earlier, True, {"rewindTo": {"step": str(rewind.step)}})
    return Beginning()


def _earlier(answer: Mapping[str, Any]) -> Earlier:
    run = answer.get("run", {})
    last_step = int(run.get("lastStep", 0))
    has_history = last_step != 0 or any(int(writer.get("stored", 0)) for writer in answer.get("writers", ()))
    return Earlier(
        next_step=last_step + 1 if has_history else 0,
        config=run.get("config", {}),
        display_name=str(run.get("displayName", "")),
        notes=str(run.get("notes", "")),
        tags=tuple(run.get("tags", ())),
        group=str(run.get("group", "")),
        job_type=str(run.get("jobType", "")),
    )
