"""Names in a request to ids, with rights checked: the one door to the tables (I9). Also limits of requests."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from runstream import names
from runstream.errors import InvalidField
from runstream.service.caller import Role, current_caller, require, split_name


@dataclass(frozen=True)
class ProjectScope:
    """A project the caller may read."""

    name: str
    project_id: int


@dataclass(frozen=True)
class RunScope:
    """A run the caller may read, whether it exists or not.

    ``name`` is as the caller wrote it, ``full_name`` has the entity in place of "-".
    """

    name: str
    full_name: str
    project_id: int
    run_id: int


def project_scope(field: str, name: str) -> ProjectScope:
    """Checks a project's name and the caller's right to read it.

    Raises:
        InvalidField: the name has another form.
        NotAllowed: it is not the caller's.
    """
    entity, project = split_name(field, name, 2)
    entity = require(current_caller(), entity, Role.VIEWER)
    return ProjectScope(f"{entity}/{project}", names.project_id(entity, project))


def run_scope(field: str, name: str) -> RunScope:
    """The same for a run."""
    entity, project, run = split_name(field, name, 3)
    entity = require(current_caller(), entity, Role.VIEWER)
    full_name = f"{entity}/{project}/{run}"
    return RunScope(name, full_name, names.project_id(entity, project), names.run_id(entity, project, run))


def run_scopes(field: str, run_names: Sequence[str], *, most: int) -> list[RunScope]:
    """The same for several runs, each once.

    Raises:
        InvalidField: there are none, or more than ``most``.
    """
    check_count(field, run_names, least=1, most=most)
    return [run_scope(field, name) for name in dict.fromkeys(run_names)]


def runs_or_project(run_names: Sequence[str], project: str) -> tuple[list[int], list[int]]:
    """Ids of the projects and of at most 1000 runs; of the project and none, for all of its runs.

    Raises:
        InvalidField: neither is given, or a name has another form.
        NotAllowed: one is not the caller's.
    """
    if run_names:
        runs = run_scopes("runs", run_names, most=1000)
        return sorted({run.project_id for run in runs}), [run.run_id for run in runs]
    if not project:
        raise InvalidField("project", "is needed when runs is empty")
    return [project_scope("project", project).project_id], []


def by_project(runs: Iterable[RunScope]) -> dict[int, list[RunScope]]:
    """Runs grouped by project: the tables' key begins with it."""
    grouped: dict[int, list[RunScope]] = {}
    for run in runs:
        grouped.setdefault(run.project_id, []).append(run)
    return grouped


def check_count(field: str, values: Sequence[object], *, least: int, most: int) -> None:
    """Checks the length of a repeated field."""
    if not least <= len(values) <= most:
        raise InvalidField(field, f"must have {least} to {most} entries, not {len(values)}")


def page_size(value: int, *, default: int, most: int) -> int:
    """A page size, with 0 for the default."""
    if not 0 <= value <= most:
        raise InvalidField("page_size", f"must be 1 to {most}, or 0 for {default}, not {value}")
    return value or default


def read_token(token: str, first: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a page token holds; ``first``, whose types it must have, for the first page.

    Raises:
        InvalidField: it was not made here.
    """
    if not token:
        return first
    try:
        content = json.loads(base64.urlsafe_b64decode(token))
        if isinstance(content, list) and [type(each) for each in content] == [type(each) for each in first]:
            return tuple(content)
    except (ValueError, RecursionError):
        pass
    raise InvalidField("page_token", "was not given out by this method")


def make_token(*content: object) -> str:
    """A token for the page after ``content``. It holds a position, no rights."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
