"""Nobody can fill the queue for the others."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.fair import FairQueue

names = st.tuples(st.integers(0, 3), st.integers(0, 2))


@given(st.lists(names))
def test_everything_comes_out_once_and_each_name_in_its_order(put: list[tuple[int, int]]) -> None:
    queue: FairQueue[tuple[tuple[int, int], int]] = FairQueue()
    for number, name in enumerate(put):
        queue.put(name, (name, number))
    assert sorted(number for _, number in queue) == list(range(len(put)))
    taken = []
    while queue:
        expected = queue.peek()
        taken.append(queue.take())
        assert taken[-1] == expected
        assert len(queue) == len(put) - len(taken)
    assert Counter(name for name, _ in taken) == Counter(put)
    for name in set(put):
        numbers = [number for each, number in taken if each == name]
        assert numbers == sorted(numbers)


def test_names_take_turns_and_within_the_first_level_the_second_does() -> None:
    queue: FairQueue[str] = FairQueue()
    for name, item in [(("a", 1), "a1"), (("a", 1), "a1"), (("a", 1), "a1"), (("a", 2), "a2"), (("b", 1), "b1")]:
        queue.put(name, item)
    assert [queue.take() for _ in range(5)] == ["a1", "b1", "a2", "a1", "a1"]


def test_an_empty_queue_says_so() -> None:
    queue: FairQueue[int] = FairQueue()
    for ask in (queue.take, queue.peek):
        with pytest.raises(IndexError, match="empty"):
            ask()
