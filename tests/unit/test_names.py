"""Names and their limits, and the numbers ClickHouse knows them by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream import names


@pytest.mark.parametrize("name", ["a", "digits", "Ünïcode run 7", "x" * 128, "a.b-c_d"])
def test_good_names(name: str) -> None:
    assert names.name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [("", "empty"), ("x" * 129, "129"), ("a/b", "'/'"), ("..", "reserved"), ("-", "reserved"), ("a\x00", "control"),
     ("\ud800", "control"), ("a\u2028b", "control")],
)  # fmt: skip
def test_bad_names_say_why(name: str, why: str) -> None:
    assert why in str(names.name_problem(name))


def test_ids_are_the_same_for_ever() -> None:
    # Rows in every ClickHouse are found by these: a change of them would orphan all data.
    assert names.project_id("local", "digits") == 15131606431375187753
    assert names.run_id("local", "digits", "r1") == 3655810468061853266


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_sound_names_never_meet_across_borders(entity: str, project: str, run: str) -> None:
    if all(names.name_problem(name) is None for name in (entity, project, run)):
        assert names.run_id(entity, project, run) != names.project_id(entity, project)
        assert names.run_id(entity, project, run) != names.run_id(entity, run, project + "x")
