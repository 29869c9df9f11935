"""Which definition is a key's, and what is left of one that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.definitions import STATES, Definitions


@pytest.mark.parametrize(
    ("key", "hows"),
    [
        ("val/loss", ["min"]),
        ("val/acc", ["max", "best"]),
        ("val/deep/acc", ["last"]),
        ("train/loss", ["none"]),
        ("trainXloss", []),
        ("a[0]", ["first"]),
        ("a0", []),
    ],
)
def test_a_name_wins_over_globs_and_a_longer_glob_over_a_shorter(key: str, hows: list[str]) -> None:
    definitions = Definitions(
        {
            "val/*": {"summary": ["best", "max", "nonsense"], "goal": "maximize"},
            "val/deep/*": {"summary": "last"},
            "val/loss": {"summary": ["min", "none", "copy"]},
            "*/loss": {"summary": ["none"]},
            "a[0]": {"summary": ["first"]},
        }
    )
    assert definitions.hows(key) == hows
    assert definitions.is_maximized(key) == (key == "val/acc")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(STATES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["summary", "goal"]), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["a", "a*", "*", "**", "(*"]), JSON), st.sampled_from(["a", "ab", "(x", ""]))
def test_any_document_gives_an_answer(document: dict[str, Any], key: str) -> None:
    definitions = Definitions(document)
    assert set(definitions.hows(key)) <= {*STATES, "none"}
    assert definitions.is_maximized(key) in (True, False)
