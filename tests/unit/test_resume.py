"""How a run begins: what the server is asked, what the answer decides, and that its absence decides nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runstream import errors
from runstream._resume import (
    Beginning,
    Moment,
    begin,
    forget_run,
    parse_moment,
    remember_run,
    remembered_run,
)
from runstream.identity import Identity
from runstream.settings import Settings

FIRST, SECOND = Identity(0, 2, 1), Identity(1, 2, 1)
RUN = {
    "name": "local/p/there",
    "displayName": "old name",
    "lastStep": "41",
    "config": {"lr": 0.1, "epochs": 3},
    "tags": ["a"],
    "notes": "n",
}


class Server:
    """Answers GetRun: with the run "there", or as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.refuses_with: tuple[int, str] | None = None
        self.run: dict[str, Any] = RUN
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["name"]
                server.asked.append((name, self.headers["Authorization"]))
                if server.refuses_with:
                    self._answer(server.refuses_with[0], _error(server.refuses_with[1]))
                elif name.endswith("/there"):
                    self._answer(200, {"run": server.run})
                else:
                    self._answer(404, _error("NOT_FOUND"))

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Says nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def _error(reason: str) -> dict[str, Any]:
    return {"code": "x", "message": "no", "details": [{"reason": reason}]}


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def begun(
    server: Server | None, run_id: str = "there", who: Identity = FIRST, said: list[str] | None = None, **settings: Any
) -> Beginning:
    url = server.url if server else "http://127.0.0.1:9"
    made = Settings(**({"base_url": url, "project": "p", "init_timeout_s": 5.0} | settings))
    return begin(made, who, run_id, is_given=True, say=(said if said is not None else []).append)


def test_nothing_is_asked_where_nothing_depends_on_it(server: Server) -> None:
    assert begun(server) == Beginning()
    assert begun(server, mode="offline", resume="must") == Beginning()
    made = Settings(base_url=server.url, project="p", resume="allow")
    assert begin(made, FIRST, "made-up", is_given=False, say=pytest.fail) == Beginning()
    assert server.asked == []


@pytest.mark.parametrize("resume", ["allow", "must", "auto"])
def test_a_run_that_is_there_goes_on_after_its_last_step(server: Server, resume: str) -> None:
    found = begun(server, resume=resume)
    assert (found.first_step, found.is_resumed, found.said) == (42, True, {})
    assert found.earlier is not None
    assert (found.earlier.config, found.earlier.display_name, found.earlier.tags) == (RUN["config"], "old name", ("a",))
    assert server.asked == [("-/p/there", None)]


def test_a_run_without_history_begins_at_zero(server: Server) -> None:
    server.run = {"name": "local/p/there"}
    assert begun(server, resume="allow").first_step == 0
    assert begun(server, resume="allow").is_resumed


def test_must_and_never_insist(server: Server) -> None:
    with pytest.raises(errors.NotFound, match=r"'new' of project 'p' does not exist and resume is 'must'; .*allow"):
        begun(server, "new", resume="must")
    with pytest.raises(errors.Conflict, match=r"'there' of project 'p' exists and resume is 'never'; .*another id"):
        begun(server, resume="never")
    assert begun(server, "new", resume="never") == begun(server, "new", resume="allow") == Beginning()


def test_of_several_ranks_the_first_insists(server: Server) -> None:
    assert begun(server, who=SECOND, resume="never").first_step == 42
    assert begun(server, "new", who=SECOND, resume="must") == Beginning()


def test_a_key_is_shown_and_a_refused_one_raises(server: Server) -> None:
    assert begun(server, "new", api_key="rs-x") == Beginning()
    assert server.asked == [("-/p/new", "Bearer rs-x")]
    for status, reason, kind in ((401, "KEY_UNKNOWN", errors.KeyUnknown), (403, "NOT_ALLOWED", errors.NotAllowed)):
        server.refuses_with = (status, reason)
        with pytest.raises(kind):
            begun(server, "new", api_key="rs-x")
    assert begun(server, "new", who=SECOND, api_key="rs-x") == Beginning()


@pytest.mark.parametrize("resume", ["allow", "must", "never"])
def test_I4_a_server_that_is_away_decides_nothing(resume: str) -> None:
    said: list[str] = []
    assert begun(None, said=said, resume=resume) == Beginning()
    assert len(said) == 1
    assert "cannot ask whether run there is there" in said[0]


def test_a_server_in_trouble_decides_nothing_unless_forced(server: Server) -> None:
    said: list[str] = []
    for answer in ((503, "STORAGE_UNAVAILABLE"), (500, "INTERNAL")):
        server.refuses_with = answer
        assert begun(server, said=said, resume="must") == Beginning()
    assert len(said) == 2
    server.refuses_with = (503, "STORAGE_UNAVAILABLE")
    with pytest.raises(errors.StorageUnavailable):
        begun(server, force=True)
    with pytest.raises(errors.ServerUnreachable):
        begun(None, force=True)


def test_another_of_several_servers_is_asked(server: Server) -> None:
    assert begun(None, base_url=f"http://127.0.0.1:9,{server.url}", resume="allow").first_step == 42


def test_a_fork_begins_after_its_moment(server: Server) -> None:
    found = begun(server, "new", fork_from="there?_step=10")
    assert (found.first_step, found.is_resumed) == (11, False)
    assert found.said == {"forkFrom": {"run": "there", "step": "10"}}
    assert found.earlier is not None
    assert found.earlier.config == RUN["config"]
    with pytest.raises(errors.NotFound, match="'nowhere' of project 'p' does not exist; fork_from"):
        begun(server, "new", fork_from="nowhere?_step=10")
    assert begun(server, "new", fork_from="there?_step=10", mode="offline").first_step == 11


def test_a_rewound_run_goes_on_after_its_moment(server: Server) -> None:
    found = begun(server, resume_from="there?_step=10")
    assert (found.first_step, found.is_resumed, found.said) == (11, True, {"rewindTo": {"step": "10"}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a?_step=3", Moment("a", 3)), ("a?_step=3.0", Moment("a", 3)), ("a%20b?_step=0", Moment("a b", 0))],
)
def test_moments(text: str, expected: Moment) -> None:
    assert parse_moment("fork_from", text) == expected


@pytest.mark.parametrize(
    "text", ["a", "?_step=3", "a?_step=x", "a?epoch=3", "a?_step=3&x=1", "a?_step=-1", "a?_step=nan", "e/p/a?_step=1"]
)
def test_what_is_no_moment_is_named(text: str) -> None:
    with pytest.raises(errors.InvalidField, match=r"fork_from: must be RUN\?_step=N"):
        parse_moment("fork_from", text)


def test_the_last_run_of_a_folder_is_remembered_until_it_ends_well(tmp_path: Path) -> None:
    settings = Settings(dir=str(tmp_path), project="p")
    assert remembered_run(settings) == ""
    remember_run(settings, "nowhere yet")
    (tmp_path / "runstream-runs" / "p").mkdir(parents=True)
    remember_run(settings, "one")
    assert remembered_run(settings) == "one"
    assert remembered_run(Settings(dir=str(tmp_path), project="other")) == ""
    forget_run(settings, "two")
    assert remembered_run(settings) == "one"
    forget_run(settings, "one")
    assert remembered_run(settings) == ""
