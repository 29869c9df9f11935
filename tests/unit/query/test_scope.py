"""Names to ids with rights checked, and the limits of requests."""

from __future__ import annotations

import pytest

from query.scope import make_token, page_size, project_scope, read_token, run_scope, run_scopes
from runstream.errors import InvalidField, NotAllowed
from runstream.service.caller import LOCAL_CALLER, Caller, Role, caller_var


@pytest.fixture
def viewer() -> None:
    caller_var.set(Caller("mine", Role.VIEWER, "rs-abc"))


@pytest.mark.usefixtures("viewer")
def test_only_the_callers_entity_is_reached() -> None:
    assert run_scope("name", "mine/p/r").run_id == run_scope("name", "-/p/r").run_id
    for call in (lambda: run_scope("name", "theirs/p/r"), lambda: project_scope("project", "theirs/p")):
        with pytest.raises(NotAllowed, match="theirs"):
            call()


@pytest.mark.usefixtures("viewer")
@pytest.mark.parametrize("name", ["", "a", "a/b", "a/b/c/d", "a//c", "/b/c"])
def test_names_of_another_form_are_named(name: str) -> None:
    with pytest.raises(InvalidField, match="name"):
        run_scope("name", name)


def test_a_server_without_keys_reaches_every_entity() -> None:
    caller_var.set(LOCAL_CALLER)
    assert project_scope("project", "theirs/p").name == "theirs/p"


@pytest.mark.usefixtures("viewer")
def test_counts_and_repeats() -> None:
    assert len(run_scopes("runs", ["-/p/a", "-/p/b", "-/p/a"], most=3)) == 2
    with pytest.raises(InvalidField, match="runs: must have 1 to 3"):
        run_scopes("runs", ["-/p/a"] * 4, most=3)
    with pytest.raises(InvalidField, match="runs"):
        run_scopes("runs", [], most=3)


def test_pages() -> None:
    assert page_size(0, default=100, most=1000) == 100
    assert page_size(7, default=100, most=1000) == 7
    for value in (-1, 1001):
        with pytest.raises(InvalidField, match="page_size"):
            page_size(value, default=100, most=1000)
    assert read_token(make_token(1, "x"), (0, "")) == (1, "x")
    assert read_token("", (0, "")) == (0, "")
    for token in ("!", "AAAA", make_token(), make_token(1, "x", 2), make_token("x", 1), "eyJhIjoxfQ=="):
        with pytest.raises(InvalidField, match="page_token"):
            read_token(token, (0, ""))
