"""``runstream run``: list a server's runs, and show one with the accounts of its processes."""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from runstream import rpc_client
from runstream import settings as settings_module
from runstream.errors import InvalidField

EXAMPLE = "runstream run show digits/k3x9a0bc"
_PAGE = 200
_KEYS_PAGE = 10_000
_KEYS_AT_ONCE = 1000
# A point takes 20 to 50 ns to count: half a second at most, unless asked for more.
_COUNTED_UNASKED = 10_000_000

Json = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--server", metavar="URL", help="the server's HTTP address (default: RUNSTREAM_BASE_URL)")
    common.add_argument("--json", action="store_true", help="print one JSON object a run")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    ls = actions.add_parser("ls", parents=[common], help="list runs, newest first")
    ls.add_argument("project", nargs="?", metavar="[ENTITY/]PROJECT", help="default: all projects")
    ls.add_argument("--limit", type=int, metavar="N", help="at most so many (default: all)")
    show = actions.add_parser("show", parents=[common], help="show a run, its processes and what was refused")
    show.add_argument("run", metavar="[ENTITY/]PROJECT/RUN")
    show.add_argument(
        "--count", action="store_true", help=f"count stored points even if there are over {_COUNTED_UNASKED:,}"
    )


def run(args: argparse.Namespace) -> int:
    """Does the action."""
    settings = settings_module.load({"base_url": args.server})
    query = _Query(settings)
    entity = settings.entity or "-"
    if args.action == "ls":
        if args.limit is not None and args.limit < 0:
            raise InvalidField("--limit", f"must be 0 or more, not {args.limit}")
        project = _full_name("PROJECT", args.project, entity, 2) if args.project else ""
        for found in itertools.islice(query.runs(project), args.limit):
            print(json.dumps(_run(found)) if args.json else _run_line(_run(found)), flush=True)
        return 0
    shown = query.run(_full_name("RUN", args.run, entity, 3), counts=args.count)
    print(json.dumps(shown) if args.json else "\n".join(_run_page(shown)))
    return 0


class _Query:
    """What is asked of the query service."""

    def __init__(self, settings: settings_module.Settings) -> None:
        self._settings = settings

    def runs(self, project: str) -> Iterator[Json]:
        """A project's runs, or those of all, newest first; fetched as they are taken."""
        if project:
            return self._pages("ListRuns", "runs", project=project)
        projects = [each["name"] for each in self._pages("ListProjects", "projects")]
        by_project = [self._pages("ListRuns", "runs", project=name) for name in projects]
        return heapq.merge(*by_project, key=lambda each: str(each["createTime"]), reverse=True)

    def run(self, name: str, *, counts: bool) -> Json:
        """A run in full."""
        answer = self._call("GetRun", name=name)
        writers = [_writer(each) for each in answer.get("writers", [])]
        totals = {field: sum(each[field] for each in writers) for field in ("sent", "stored", "refused")}
        attempts = sorted({each["attempt"] for each in writers})
        keys = list(self._pages("ListKeys", "keys", runs=[name], page_size=_KEYS_PAGE))
        is_counted = counts or totals["stored"] <= _COUNTED_UNASKED
        return {
            **_run(answer["run"]),
            "attempts": attempts,
            **totals,
            "complete": all(each["complete"] for each in writers),
            "keys": len(keys),
            "points": sum(self._points(name, keys, attempt) for attempt in attempts) if is_counted else None,
            "writers": writers,
            "refusals": [{**each, "count": int(each.get("count", 0))} for each in answer.get("refusals", [])],
        }

    def _points(self, name: str, keys: list[str], attempt: int) -> int:
        """The points of one attempt, over all its ranks, as queries find them."""
        points = 0
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            answer = self._call(
                "GetHistory", runs=[name], keys=some, maxBuckets=1, rankMode="RANK_MODE_ALL", attempt=attempt
            )
            points += sum(int(count) for curve in answer.get("curves", []) for count in curve["count"])
        return points

    def _pages(self, method: str, field: str, *, page_size: int = _PAGE, **request: Any) -> Iterator[Any]:
        token = ""
        while True:
            page = self._call(method, **request, pageSize=page_size, pageToken=token)
            yield from page.get(field, [])
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _call(self, method: str, **request: Any) -> Json:
        settings = self._settings
        return rpc_client.call(settings.base_url, f"QueryService/{method}", request, api_key=settings.api_key)


def _full_name(field: str, name: str, entity: str, parts: int) -> str:
    pieces = name.split("/")
    if len(pieces) == parts - 1:
        pieces = [entity, *pieces]
    if len(pieces) != parts or not all(pieces):
        form = "[entity/]project" if parts == 2 else "[entity/]project/run"
        raise InvalidField(field, f"must have the form {form}, not {name!r}", next_step="see `runstream run ls`")
    return "/".join(pieces)


def _run(run: Mapping[str, Any]) -> Json:
    """A run without what proto3's JSON leaves out or writes as text."""
    return {
        "run": run["name"],
        "name": run.get("displayName", ""),
        "state": _state(run),
        "attempt": run.get("attempt", 0),
        "world_size": run.get("worldSize", 0),
        "last_step": int(run.get("lastStep", 0)),
        "created": run.get("createTime", ""),
        "heard": run.get("updateTime", ""),
        "group": run.get("group", ""),
        "tags": run.get("tags", []),
    }


def _writer(writer: Mapping[str, Any]) -> Json:
    return {
        "writer": writer["writer"],
        "attempt": writer.get("attempt", 0),
        "rank": writer.get("rank", 0),
        "host": writer.get("host", ""),
        "process_id": writer.get("processId", 0),
        "state": _state(writer),
        "started": writer.get("startTime", ""),
        "heard": writer.get("heartbeatTime", ""),
        "sent": int(writer.get("sent", 0)),
        "stored": int(writer.get("stored", 0)),
        "refused": int(writer.get("refused", 0)),
        "complete": writer.get("complete", False),
    }


def _state(thing: Mapping[str, Any]) -> str:
    return str(thing.get("state", "RUN_STATE_UNKNOWN")).removeprefix("RUN_STATE_").lower()


def _run_line(run: Json) -> str:
    name = run["name"] if run["name"] != run["run"].rpartition("/")[2] else ""
    where = f"attempt {run['attempt']}, {run['world_size']} ranks, step {run['last_step']:,}"
    return f"{run['created'][:19]}  {run['state']:<9} {run['run']:<40} {where}  {name}".rstrip()


def _run_page(run: Json) -> Iterator[str]:
    yield f"{run['run']}  {run['state']}" + (f"  {run['name']!r}" if run["name"] else "")
    yield f"created {run['created'][:19]}, last heard of {run['heard'][:19]}, last step {run['last_step']:,}"
    points = "points not counted (--count does)" if run["points"] is None else f"{run['points']:,} points found"
    yield f"{len(run['attempts'])} attempts, {run['keys']:,} keys, {points}"
    row = "{:>10} {:>6}  {:<9} {:>14} {:>14} {:>10}  {:<9} {:<14} {}"
    yield row.format("attempt", "rank", "state", "sent", "stored", "refused", "account", "writer", "host").rstrip()
    for each in run["writers"]:
        counts = (f"{each[name]:,}" for name in ("sent", "stored", "refused"))
        account = "complete" if each["complete"] else "open"
        place = (each["writer"], f"{each['host']}:{each['process_id']}")
        yield row.format(each["attempt"], each["rank"], each["state"], *counts, account, *place)
    counts = (f"{run[name]:,}" for name in ("sent", "stored", "refused"))
    yield row.format("total", "", "", *counts, "complete" if run["complete"] else "open", "", "").rstrip()
    for refusal in run["refusals"]:
        where = f" {refusal['field']!r}" if refusal.get("field") else ""
        yield f"refused {refusal['count']:,}: {refusal['reason']}{where}: {refusal.get('message', '')}"
