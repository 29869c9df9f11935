"""Projects, runs, and one run in full. A page of runs is a handful of statements, however many runs it has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format, struct_pb2

from query.definitions import Definitions
from query.reads import Reads
from query.scope import make_token, page_size, project_scope, read_token, run_scope
from query.settings import Settings
from query.summaries import Ask, summaries
from runstream.errors import InvalidField, NotFound
from runstream.service.caller import Role, current_caller, require
from runstream.v1 import common_pb2, query_pb2

_FIRST = ((1 << 63) - 1, (1 << 64) - 1)
_DEFAULT_SUMMARY_KEYS = 50
_MAX_SUMMARY_KEYS = 1000


async def list_projects(reads: Reads, request: query_pb2.ListProjectsRequest) -> query_pb2.ListProjectsResponse:
    """Answers ListProjects."""
    caller = current_caller()
    size = page_size(request.page_size, default=100, most=1000)
    is_any = caller.any_entity and request.entity in ("", "-")
    entity = require(caller, request.entity, Role.VIEWER)
    before = read_token(request.page_token, (_FIRST[0], "", ""))
    rows = await reads.rows(
        "projects",
        any_entity=is_any,
        entity=entity,
        before_ms=before[0],
        before_entity=before[1],
        before_project=before[2],
        limit=size + 1,
    )
    response = query_pb2.ListProjectsResponse()
    for row in rows[:size]:
        project = response.projects.add(name=f"{row['entity']}/{row['project']}", run_count=row["run_count"])
        project.newest_run_time.FromMilliseconds(row["newest_ms"])
    if len(rows) > size:
        last = rows[size - 1]
        response.next_page_token = make_token(last["newest_ms"], last["entity"], last["project"])
    return response


async def list_runs(reads: Reads, settings: Settings, request: query_pb2.ListRunsRequest) -> query_pb2.ListRunsResponse:
    """Answers ListRuns."""
    project = project_scope("project", request.project)
    size = page_size(request.page_size, default=100, most=1000)
    if len(request.summary_keys) > _MAX_SUMMARY_KEYS:
        raise InvalidField("summary_keys", f"must have at most {_MAX_SUMMARY_KEYS} entries")
    before = read_token(request.page_token, _FIRST)
    rows = await reads.rows(
        "runs", project_id=project.project_id, run_id=0, before_ms=before[0], before_run=before[1], limit=size + 1
    )
    runs = await _filled(reads, settings, project.project_id, rows[:size], list(request.summary_keys))
    response = query_pb2.ListRunsResponse(runs=runs)
    if len(rows) > size:
        response.next_page_token = make_token(rows[size - 1]["created_ms"], rows[size - 1]["run_id"])
    return response


async def get_run(reads: Reads, settings: Settings, request: query_pb2.GetRunRequest) -> query_pb2.GetRunResponse:
    """Answers GetRun.

    Raises:
        NotFound: there is no such run.
    """
    scope = run_scope("name", request.name)
    place: dict[str, Any] = {"project_id": scope.project_id, "run_id": scope.run_id}
    rows = await reads.rows("runs", **place, before_ms=_FIRST[0], before_run=_FIRST[1], limit=1)
    if not rows:
        raise NotFound(f"run {request.name!r} does not exist")
    lapse_ms = int(settings.heartbeat_lapse_s * 1000)
    (run,), writers, refusals, (counts,), documents = await asyncio.gather(
        _filled(reads, settings, scope.project_id, rows, [], keys_limit=_MAX_SUMMARY_KEYS, with_means=True),
        reads.rows("writers", **place, lapse_ms=lapse_ms),
        reads.rows("refusals", **place),
        reads.rows("run_counts", **place),
        _documents(reads, scope.project_id, [scope.run_id], ["metadata", "metrics"]),
    )
    return query_pb2.GetRunResponse(
        run=run,
        writers=[_writer(row) for row in writers],
        refusals=[
            query_pb2.RefusalSummary(reason=row["reason"], field=row["field"], message=row["text"], count=row["points"])
            for row in refusals
        ],
        metadata=_struct(documents.get((scope.run_id, "metadata"), {})),
        metrics=_struct(documents.get((scope.run_id, "metrics"), {})),
        file_count=counts["files"],
        alert_count=counts["alerts"],
    )


async def _filled(
    reads: Reads,
    settings: Settings,
    project_id: int,
    rows: Sequence[Mapping[str, Any]],
    summary_keys: list[str],
    *,
    keys_limit: int = _DEFAULT_SUMMARY_KEYS,
    with_means: bool = False,
) -> list[query_pb2.Run]:
    """Runs with state, documents and summary, in the order of ``rows``."""
    if not rows:
        return []
    run_ids = [row["run_id"] for row in rows]
    place: dict[str, Any] = {"project_id": project_id, "run_ids": run_ids}
    states, documents, steps = await asyncio.gather(
        reads.rows("run_states", **place, lapse_ms=int(settings.heartbeat_lapse_s * 1000)),
        _documents(reads, project_id, run_ids, ["config", "summary", "metrics"]),
        reads.rows("last_steps", **place),
    )
    state_of = {row["run_id"]: row for row in states}
    step_of = {row["run_id"]: row["last_step"] for row in steps}
    ask = Ask(project_id, run_ids, summary_keys, _MAX_SUMMARY_KEYS if summary_keys else keys_limit, with_means)
    definitions = {run: Definitions(document) for (run, kind), document in documents.items() if kind == "metrics"}
    set_by_user = {run: document for (run, kind), document in documents.items() if kind == "summary"}
    summary_of = await summaries(reads, ask, definitions, set_by_user)
    return [
        _run(
            row,
            state_of.get(row["run_id"]),
            documents.get((row["run_id"], "config"), {}),
            summary_of[row["run_id"]],
            step_of.get(row["run_id"], 0),
        )
        for row in rows
    ]


async def _documents(
    reads: Reads, project_id: int, run_ids: list[int], kinds: list[str]
) -> dict[tuple[int, str], dict[str, Any]]:
    """Documents by run and kind."""
    rows = await reads.rows("documents", project_id=project_id, run_ids=run_ids, kinds=kinds)
    return {(row["run_id"], row["kind"]): json.loads(row["json"]) for row in rows}


def _run(
    row: Mapping[str, Any],
    state: Mapping[str, Any] | None,
    config: dict[str, Any],
    summary: dict[str, Any],
    last_step: int,
) -> query_pb2.Run:
    run = query_pb2.Run(
        name=f"{row['entity']}/{row['project']}/{row['run']}",
        display_name=row["name"] or row["run"],
        state=_state(state),
        group=row["group_name"],
        job_type=row["job"],
        notes=row["note"],
        tags=row["tag_list"],
        config=_struct(config),
        summary=_struct(summary),
        attempt=state["attempt"] if state else 0,
        world_size=state["ranks"] if state else 0,
        last_step=last_step,
    )
    run.create_time.FromMilliseconds(row["created_ms"])
    run.update_time.FromMilliseconds(state["heard_ms"] if state else row["created_ms"])
    return run


def _state(row: Mapping[str, Any] | None) -> common_pb2.RunState.ValueType:
    """A run's state from the number of writers in each: one alive is enough to be running, one bad to be bad."""
    if row is None:
        return common_pb2.RUN_STATE_RUNNING  # its first insert is under way: writers come after the run
    if row["alive"]:
        return common_pb2.RUN_STATE_RUNNING
    if row["crashed"]:
        return common_pb2.RUN_STATE_CRASHED
    return common_pb2.RUN_STATE_FAILED if row["failed"] else common_pb2.RUN_STATE_FINISHED


def _writer(row: Mapping[str, Any]) -> query_pb2.Writer:
    writer = query_pb2.Writer(
        writer=row["writer"],
        attempt=row["attempt"],
        rank=row["rank"],
        host=row["host"],
        process_id=row["process_id"],
        state=common_pb2.RunState.Value(f"RUN_STATE_{row['state_now'].upper()}"),
        sent=row["sent"],
        stored=row["stored"],
        refused=row["refused"],
        complete=row["complete"],
    )
    writer.start_time.FromMilliseconds(row["started_ms"])
    writer.heartbeat_time.FromMilliseconds(row["heard_ms"])
    return writer


def _struct(document: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(document, struct_pb2.Struct())
