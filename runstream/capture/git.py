"""Which code this is: commit, branch, remote, and what differs from the commit.

Asks the ``git`` command and changes nothing: no locks, no index refresh, no hooks, no programs that the
repository's settings name.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from runstream.capture.command import CommandFailed, printed

_OPTIONS = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "diff.external=", "-c", "core.pager=cat")
_TIMEOUT_S = 5.0
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty", "HEAD")
_MAX_UNTRACKED = 100
_USER = re.compile(r"(?<=://)[^/@\s]*@")


def read(cwd: str, max_patch_bytes: int) -> tuple[dict[str, Any], bytes]:
    """Returns facts about the repository that holds ``cwd``, and a patch from its commit to its files.

    The facts are empty outside a repository. Untracked files are named, not kept; neither are binary ones. The
    patch is cut at a line's end where it is too long, and ``diff_cut`` says so.

    Raises:
        CommandFailed: git is not there or does not answer.
    """
    try:
        root = _git(cwd, "rev-parse", "--show-toplevel").strip()
    except CommandFailed as error:
        if not any((folder / ".git").exists() for folder in (Path(cwd), *Path(cwd).parents)):
            return {}, b""
        raise CommandFailed(f"{error}; does this repository belong to somebody else?") from error
    status = _git(root, "status", "--porcelain=v2", "--branch", "-z", "--ignore-submodules=dirty")
    facts = {"root": root, **parse_status(status)}
    if remote := _remote(root):
        facts["remote"] = remote
    if not facts["dirty"] or "commit" not in facts:
        return facts, b""
    patch, is_cut = printed(
        ["git", *_OPTIONS, *_DIFF], timeout_s=_TIMEOUT_S, max_bytes=max_patch_bytes, cwd=root, env=_environ()
    )
    if is_cut:
        patch = patch[: patch.rfind(b"\n") + 1]
        facts["diff_cut"] = True
    facts["diff_bytes"] = len(patch)
    return facts, patch


def parse_status(status: str) -> dict[str, Any]:
    """Facts in what ``git status --porcelain=v2 --branch -z`` prints. Pure."""
    facts: dict[str, Any] = {}
    changed, untracked = 0, []
    entries = iter(status.split("\0"))
    for entry in entries:
        kind, _, rest = entry.partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            if name == "branch.oid" and value != "(initial)":
                facts["commit"] = value
            elif name == "branch.head" and value != "(detached)":
                facts["branch"] = value
        elif kind == "?":
            untracked.append(rest)
        elif kind in ("1", "2", "u"):
            changed += 1
            if kind == "2":
                next(entries, None)  # a renamed file's earlier name is an entry of its own
    facts["dirty"] = changed > 0
    facts["changed_files"] = changed
    facts["untracked_files"] = len(untracked)
    if untracked:
        facts["untracked"] = untracked[:_MAX_UNTRACKED]
    return facts


def without_user(url: str) -> str:
    """A remote's address without user, password or token; ``git@host:path`` keeps its user, which is no secret."""
    return _USER.sub("", url)


def _remote(root: str) -> str:
    try:
        lines = _git(root, "config", "--get-regexp", r"^remote\..*\.url$").splitlines()
    except CommandFailed:  # there is none
        return ""
    urls = dict(line.split(" ", 1) for line in lines if " " in line)
    url = urls.get("remote.origin.url") or next(iter(urls.values()), "")
    return without_user(url)


def _git(cwd: str, *arguments: str) -> str:
    done = printed(["git", *_OPTIONS, *arguments], timeout_s=_TIMEOUT_S, cwd=cwd, env=_environ())
    return done.data.decode("utf-8", "replace")


def _environ() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("GIT_EXTERNAL_DIFF", "GIT_PAGER")}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
