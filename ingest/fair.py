"""A queue that nobody can fill for the others. Pure.

First in, first out within a name; round-robin between names, at every level of the name: with names such as
(API key, run), keys take turns, and within a key its runs do.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Name = tuple[Hashable, ...]
_T = TypeVar("_T")


class FairQueue(Generic[_T]):
    """Items by name. All names have the same number of levels, at least one."""

    def __init__(self) -> None:
        self._turns: OrderedDict[Hashable, FairQueue[_T] | deque[_T]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[_T]:
        return itertools.chain.from_iterable(self._turns.values())

    def put(self, name: Name, item: _T) -> None:
        """Adds an item behind the others of its name."""
        first, *rest = name
        queue = self._turns.get(first)
        if queue is None:
            queue = self._turns[first] = FairQueue() if rest else deque()
        if isinstance(queue, FairQueue):
            queue.put(tuple(rest), item)
        else:
            queue.append(item)
        self._size += 1

    def peek(self) -> _T:
        """The item that ``take`` would return. Raises IndexError if there is none."""
        if not self._turns:
            raise IndexError("the queue is empty")
        queue = next(iter(self._turns.values()))
        return queue.peek() if isinstance(queue, FairQueue) else queue[0]

    def take(self) -> _T:
        """Removes and returns the next item; its name goes to the end of the round."""
        if not self._turns:
            raise IndexError("the queue is empty")
        first, queue = self._turns.popitem(last=False)
        item = queue.take() if isinstance(queue, FairQueue) else queue.popleft()
        if queue:
            self._turns[first] = queue
        self._size -= 1
        return item
