"""Bytes of stdout and stderr to numbered lines. Pure.

    bytes ──► terminal, one a stream ──► rows ──► lines that are due
                                                  │ a finished one at once
                                                  │ an unfinished or changing one at most once a second

A line that changes, such as a progress bar, keeps its number: whoever stores lines keeps the newest of a
number. However the bytes are cut, and whenever lines are taken, the newest of each number is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import attrgetter

from runstream.capture.line import STREAMS, Line, Stream
from runstream.capture.terminal import Row, Terminal

REPEAT_US = 1_000_000


class Assembler:
    """Makes lines of the output of one process.

    Args:
        first_number: number of the first line; both streams share the count.
    """

    def __init__(self, first_number: int = 0) -> None:
        self.next_number = first_number
        self._done: list[Line] = []
        self._terminals = {stream: Terminal(self._take_number, partial(self._freeze, stream)) for stream in STREAMS}

    def feed(self, stream: Stream, data: bytes, time_us: int) -> None:
        """Takes output in the order in which it was written; ``time_us`` is since 1970 UTC."""
        self._terminals[stream].feed(data, time_us)

    def lost(self, lines: int, size: int, time_us: int) -> None:
        """Says, in a line of its own, that output is missing here."""
        for terminal in self._terminals.values():
            terminal.cut()
        text = f"[runstream: {lines:,} lines, {size:,} bytes of output are not kept: they came too fast]"
        self._done.append(Line(self._take_number(), "stderr", time_us, text))

    def take(self, now_us: int) -> list[Line]:
        """Returns the lines that are due, by number."""
        for stream, row in self._changed():
            # A clock that was set back must not hold a line back.
            if _due_us(row) <= now_us or (row.emitted_us or 0) > now_us:
                self._emit(stream, row, now_us)
        return self._take_done()

    def flush(self, now_us: int) -> list[Line]:
        """Returns every line that has changed, due or not."""
        for stream, row in self._changed():
            self._emit(stream, row, now_us)
        return self._take_done()

    def close(self, now_us: int) -> list[Line]:
        """Returns what is left; nothing comes after it."""
        for terminal in self._terminals.values():
            terminal.end()
        return self.flush(now_us)

    def next_due_us(self) -> int | None:
        """When there will be something to take, if nothing more is fed; None if never."""
        if self._done:
            return 0
        return min((_due_us(row) for _, row in self._changed()), default=None)

    def _changed(self) -> Iterator[tuple[Stream, Row]]:
        for stream, terminal in self._terminals.items():
            for row in terminal.rows():
                if row.is_changed:
                    yield stream, row

    def _take_number(self) -> int:
        number = self.next_number
        self.next_number += 1
        return number

    def _take_done(self) -> list[Line]:
        lines, self._done = self._done, []
        lines.sort(key=attrgetter("number"))
        return lines

    def _freeze(self, stream: Stream, row: Row) -> None:
        if row.is_changed:
            self._emit(stream, row, row.changed_us)

    def _emit(self, stream: Stream, row: Row, now_us: int) -> None:
        row.is_changed = False
        text = row.shown()
        if row.emitted_us is None or text != row.emitted:  # bars are often drawn again as they were
            row.emitted_us, row.emitted = now_us, text
            self._done.append(Line(row.number, stream, row.changed_us, text))


def _due_us(row: Row) -> int:
    if row.emitted_us is not None:
        return row.emitted_us + REPEAT_US
    return 0 if row.is_passed else row.changed_us + REPEAT_US
