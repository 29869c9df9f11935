"""A terminal of endless width: bytes to rows of text, as a person would see them. Pure.

Carriage returns, backspaces and the cursor moves that progress bars use are obeyed; colours and other escape
sequences are dropped. Only the last ``WINDOW`` rows can still change: that is how far up a cursor goes.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable

WINDOW = 64  # rows; rich and tqdm draw fewer, and each is looked at when lines are due
MAX_LINE_BYTES = 64 << 10
_MAX_PARAMETERS = 64
_MAX_STRING = 4096  # an operating system command that is longer was none: a stray byte began it

_PLAIN = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f-\x9f]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # but tab and newline
_CSI = re.compile(rf"\x1b\[([0-?]{{0,{_MAX_PARAMETERS}}})([ -/]{{0,8}})([@-~]?)")
_STRING = re.compile(rf"\x1b[\]PX^_][^\x07\x1b\n]{{0,{_MAX_STRING - 2}}}")
_OTHER_ESCAPE = re.compile(r"\x1b[ -/]{0,8}")


class Row:
    """One row and what is known of it outside."""

    __slots__ = (
        "changed_us",
        "emitted",
        "emitted_us",
        "is_changed",
        "is_passed",
        "is_rewritten",
        "number",
        "text",
        "width",
    )

    def __init__(self, number: int, time_us: int) -> None:
        self.number = number
        self.text = ""
        self.width = 0  # columns written, those past the limit too
        self.is_passed = False  # a newline went by
        self.is_rewritten = False
        self.is_changed = True  # since it was last emitted
        self.changed_us = time_us  # when that began
        self.emitted_us: int | None = None
        self.emitted = ""

    def shown(self) -> str:
        """The text as it is kept: cut at 64 KiB with a mark, without padding over earlier, longer text."""
        text, left_out = self.text, max(0, self.width - MAX_LINE_BYTES)
        if len(text) * 4 > MAX_LINE_BYTES:
            kept = text.encode("utf-8", "replace")[:MAX_LINE_BYTES].decode("utf-8", "ignore")
            left_out += len(text) - len(kept)
            text = kept
        if left_out:
            return f"{text}… [cut: {left_out} characters more]"
        return text.rstrip(" ") if self.is_rewritten else text


class Terminal:
    """One stream's rows.

    Args:
        next_number: numbers a row when it is first written to.
        freeze: takes a row that can change no more.
    """

    def __init__(self, next_number: Callable[[], int], freeze: Callable[[Row], None]) -> None:
        self._next_number = next_number
        self._freeze = freeze
        self._rows: deque[Row | None] = deque([None])  # None: the last row, not yet written to
        self._y = 0
        self._x = 0
        self._time_us = 0
        self._reset_bytes()

    def rows(self) -> list[Row]:
        """The rows that can still change."""
        return [row for row in self._rows if row is not None]

    def feed(self, data: bytes, time_us: int) -> None:
        """Takes the stream's next bytes, however they are cut."""
        self._time_us = time_us
        self._read(self._decoder.decode(data))

    def cut(self) -> None:
        """Bytes are missing here: what comes next stands on a row of its own."""
        self._reset_bytes()
        self._fresh()

    def end(self) -> None:
        """Takes what was held back as the beginning of a character; an unfinished escape sequence is dropped."""
        self._read(self._decoder.decode(b"", final=True))
        self._pending = ""

    def _reset_bytes(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""

    def _read(self, text: str) -> None:
        if self._pending:
            text, self._pending = self._pending + text, ""
        if not _CONTROL.search(text):  # ordinary output: half the cost of the loop below
            head, *rest = text.split("\n")
            self._write(head)
            for part in rest:
                self._newline()
                self._write(part)
            return
        at, end = 0, len(text)
        while at < end:
            plain = _PLAIN.match(text, at)
            if plain is not None:
                self._write(plain.group())
                at = plain.end()
                continue
            if text[at] == "\x1b":
                after = self._escape(text, at)
                if after is None:
                    self._pending = text[at:]
                    return
                at = after
                continue
            self._control(text[at])
            at += 1

    def _control(self, char: str) -> None:
        if char == "\n":
            self._newline()
        elif char == "\r":
            self._x = 0
        elif char == "\b":
            self._x = max(0, self._x - 1)

    def _escape(self, text: str, at: int) -> int | None:
        """Obeys or drops the sequence that begins here; returns its end, or None if that is still to come.

        What is decided on a part of a sequence stays decided when more is there: so the cuts between calls
        of ``feed`` make no difference.
        """
        if at + 1 == len(text):
            return None
        kind = text[at + 1]
        if kind == "[":
            csi = _CSI.match(text, at)
            assert csi is not None
            if csi.group(3):
                self._move(csi.group(1), csi.group(3))
            elif csi.end() == len(text):
                return None
            return csi.end()
        if kind in "]PX^_":
            string = _STRING.match(text, at)
            assert string is not None
            after = string.end()
            if after - at == _MAX_STRING:
                return after
            if after == len(text):
                return None
            if text[after] == "\x07":
                return after + 1
            if text[after] == "\x1b":
                if after + 1 == len(text):
                    return None
                return after + 2 if text[after + 1] == "\\" else after
            return after
        other = _OTHER_ESCAPE.match(text, at)
        assert other is not None
        if other.end() == len(text):
            return None
        final = text[other.end()]
        if final == "c" and other.end() == at + 1:
            self._fresh()
        return other.end() + (1 if "0" <= final <= "~" else 0)

    def _move(self, parameters: str, final: str) -> None:
        first = parameters.split(";", 1)[0]
        given = int(first) if first.isascii() and first.isdigit() else 0
        count = max(1, given)
        if final == "A":
            self._y = max(0, self._y - count)
        elif final == "B":
            self._y = min(len(self._rows) - 1, self._y + count)
        elif final == "C":
            self._x = min(MAX_LINE_BYTES, self._x + count)
        elif final == "D":
            self._x = max(0, self._x - count)
        elif final == "E":
            self._y, self._x = min(len(self._rows) - 1, self._y + count), 0
        elif final == "F":
            self._y, self._x = max(0, self._y - count), 0
        elif final == "G":
            self._x = min(MAX_LINE_BYTES, count - 1)
        elif final == "K":
            self._erase(given)
        elif final == "J" and given == 0:
            self._erase(0)
            for row in list(self._rows)[self._y + 1 :]:
                if row is not None and row.text:
                    self._replace(row, "", 0)
        elif final in "JHf" or (final in "hl" and first == "?1049"):
            self._fresh()  # a program that draws the whole screen: its pages follow one another

    def _erase(self, part: int) -> None:
        row = self._rows[self._y]
        if row is None:
            return
        x = self._x
        if part == 0 and row.width > x:
            self._replace(row, row.text[:x], x)
        elif part == 1:
            kept = row.text[x + 1 :]
            self._replace(row, " " * min(x + 1, len(row.text)) + kept, row.width)
        elif part == 2:
            self._replace(row, "", 0)

    def _write(self, text: str) -> None:
        if not text:
            return
        row = self._touch()
        x, end = self._x, self._x + len(text)
        self._x = end
        if x >= MAX_LINE_BYTES:
            pass  # counted in the width
        elif x == len(row.text):
            row.text += text[: MAX_LINE_BYTES - x]  # by far the most common: it goes on
        elif x > len(row.text):
            row.text = (row.text + " " * (x - len(row.text)) + text)[:MAX_LINE_BYTES]
        else:
            row.text = (row.text[:x] + text + row.text[end:])[:MAX_LINE_BYTES]
            row.is_rewritten = True
        row.width = max(row.width, end)
        self._change(row)

    def _replace(self, row: Row, text: str, width: int) -> None:
        row.text, row.width, row.is_rewritten = text, width, True
        self._change(row)

    def _change(self, row: Row) -> None:
        if not row.is_changed:
            row.is_changed = True
            row.changed_us = self._time_us

    def _touch(self) -> Row:
        row = self._rows[self._y]
        if row is None:
            row = self._rows[self._y] = Row(self._next_number(), self._time_us)
        return row

    def _newline(self) -> None:
        self._touch().is_passed = True
        self._x = 0
        self._y += 1
        if self._y == len(self._rows):
            self._append()

    def _append(self) -> None:
        self._rows.append(None)
        if len(self._rows) > WINDOW:
            first = self._rows.popleft()
            assert first is not None
            self._y -= 1
            self._freeze(first)

    def _fresh(self) -> None:
        """Goes on below everything; what is above can change no more."""
        for row in self._rows:
            if row is not None:
                self._freeze(row)
        self._rows = deque([None])
        self._y = self._x = 0
