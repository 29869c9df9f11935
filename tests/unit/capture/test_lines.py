"""Bytes to lines: however they are cut and whenever lines are taken, what is kept is what a terminal shows."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.capture.line import Line, Stream
from runstream.capture.lines import REPEAT_US, Assembler
from runstream.capture.terminal import MAX_LINE_BYTES, WINDOW

_PIECES = st.one_of(
    st.text(alphabet="ab é漢🙂\t", max_size=6).map(str.encode),
    st.sampled_from(
        [
            *(b"\n", b"\r", b"\r\n", b"\b", b"\x00", b"\x07", b"\xff", b"\xe6\xbc", b"\x1b", b"\x1b[", b"\x1b]0;title"),
            *(b"\x1b[A", b"\x1b[2A", b"\x1b[3B", b"\x1b[K", b"\x1b[1K", b"\x1b[2K", b"\x1b[J", b"\x1b[2J", b"\x1b[H"),
            *(b"\x1b[5C", b"\x1b[2D", b"\x1b[4G", b"\x1b[E", b"\x1b[F", b"\x1b[31m", b"\x1b]8;;x\x1b\\", b"\x1b(B"),
            *(b"\x1b[1;2;3;4;5;6;7;8;9;" + b"0;" * 40, b"\x1bc", b"\x1b[?1049h", b"\x9b", b"\xc2\x9b", b"\n" * 70),
        ]
    ),
)
_WRITES = st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), _PIECES), max_size=30)


def _newest(lines: Iterable[Line]) -> dict[int, tuple[Stream, str]]:
    return {line.number: (line.stream, line.text) for line in lines}


def _assemble(writes: Sequence[tuple[Stream, bytes]]) -> dict[int, tuple[Stream, str]]:
    assembler = Assembler()
    for stream, data in writes:
        assembler.feed(stream, data, 0)
    return _newest(assembler.close(0))


def _texts(data: bytes) -> list[str]:
    return [text for _, text in _assemble([("stdout", data)]).values()]


@given(_WRITES, st.data())
def test_cuts_and_takes_make_no_difference(writes: list[tuple[Stream, bytes]], data: st.DataObject) -> None:
    assembler, lines, now = Assembler(), [], 0
    for stream, whole in writes:
        at = 0
        while at < len(whole):
            size = data.draw(st.integers(1, len(whole) - at))
            assembler.feed(stream, whole[at : at + size], now)
            at += size
            now += data.draw(st.sampled_from([0, 1, REPEAT_US // 3, REPEAT_US]))
            if data.draw(st.booleans()):
                lines += assembler.take(now)
    lines += assembler.close(now)
    assert _newest(lines) == _assemble(writes)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_any_bytes_give_the_same_lines_however_cut(data: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parts: list[tuple[Stream, bytes]] = [("stdout", data[a:b]) for a, b in itertools.pairwise(edges)]
    assert _assemble(parts) == _assemble([("stdout", data)])


@given(st.lists(st.text(st.characters(exclude_categories=["C"]), max_size=40), max_size=200))
def test_plain_lines_are_kept_as_they_are(texts: list[str]) -> None:
    assert _texts("".join(text + "\n" for text in texts).encode()) == texts


@given(st.lists(st.one_of(st.text("abc", min_size=1, max_size=5), st.sampled_from(["\r", "\n", "\b"])), max_size=60))
def test_returns_and_backspaces_overwrite_as_on_a_grid_of_characters(pieces: list[str]) -> None:
    """A plain twin: one cell a character."""
    grid: list[list[str]] = []
    y = x = 0
    for char in "".join(pieces):
        if char in "abc\n":
            grid += [[]] * (y == len(grid))
        if char == "\n":
            y, x = y + 1, 0
        elif char == "\r":
            x = 0
        elif char == "\b":
            x = max(0, x - 1)
        else:
            grid[y] = [*grid[y][:x], char, *grid[y][x + 1 :]]
            x += 1
    assert _texts("".join(pieces).encode()) == ["".join(row) for row in grid]


def test_a_bar_is_one_line_said_once_a_second_and_whole_at_the_end() -> None:
    assembler, lines = Assembler(), []
    for percent in range(101):  # ten a second
        now = percent * 100_000
        assembler.feed("stderr", f"\r{percent:3d}%|{'█' * (percent // 10):10}| {percent}/100".encode(), now)
        lines += assembler.take(now)
    assembler.feed("stderr", b"\n", 10_000_000)
    lines += assembler.close(10_100_000)
    assert {line.number for line in lines} == {0}
    assert 10 <= len(lines) <= 12
    assert lines[-1].text == "100%|██████████| 100/100"
    times = [line.time_us for line in lines]
    assert times == sorted(times)


def test_bars_one_above_the_other_stay_lines_of_their_own() -> None:
    """What tqdm writes for position=1: down, draw, up."""
    data = b"".join(b"\router %d\n\rinner %d\x1b[A" % (n // 10, n % 10) for n in range(30))
    assert _texts(data + b"\n\n") == ["outer 2", "inner 9"]


def test_a_live_display_is_drawn_in_place() -> None:
    """What rich writes: back to the first row, each erased, then drawn again."""
    draw = "\r\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2K"
    frames = [f"\x1b[1mepoch {n}\x1b[0m\nloss {1 / (n + 1):.2f}\n" + (draw if n < 9 else "") for n in range(10)]
    assert _texts("".join(frames).encode()) == ["epoch 9", "loss 0.10"]


def test_a_shorter_text_leaves_no_padding() -> None:
    assert _texts(b"\rdownloading...\r" + b" " * 14 + b"\rdone\n") == ["done"]
    assert _texts(b"ends with blanks  \n") == ["ends with blanks  "]


def test_lines_of_both_streams_are_numbered_as_they_begin() -> None:
    writes: list[tuple[Stream, bytes]] = [("stdout", b"a"), ("stderr", b"x\n"), ("stdout", b"b\nc\n")]
    assert _assemble(writes) == {0: ("stdout", "ab"), 1: ("stderr", "x"), 2: ("stdout", "c")}


def test_a_finished_line_is_said_at_once_an_unfinished_one_after_a_second() -> None:
    assembler = Assembler(first_number=5)
    assembler.feed("stdout", b"done\nworking", 0)
    assert [line.text for line in assembler.take(0)] == ["done"]
    assert assembler.next_due_us() == REPEAT_US
    assert assembler.take(REPEAT_US - 1) == []
    assert assembler.take(REPEAT_US) == [Line(6, "stdout", 0, "working")]
    assert assembler.next_due_us() is None


def test_what_is_drawn_again_as_it_was_is_not_said_again() -> None:
    assembler = Assembler()
    assembler.feed("stdout", b"50%", 0)
    assert len(assembler.take(REPEAT_US)) == 1
    assembler.feed("stdout", b"\r50%", REPEAT_US)
    assert assembler.take(5 * REPEAT_US) == []


def test_a_clock_set_back_holds_nothing_back() -> None:
    assembler = Assembler()
    assembler.feed("stdout", b"50%", 10 * REPEAT_US)
    assert assembler.take(11 * REPEAT_US) != []
    assembler.feed("stdout", b"\r60%", 3 * REPEAT_US)
    assert [line.text for line in assembler.take(3 * REPEAT_US)] == ["60%"]


@pytest.mark.parametrize(("char", "kept"), [("x", MAX_LINE_BYTES), ("漢", MAX_LINE_BYTES // 3)])
def test_a_line_is_cut_at_its_limit_with_a_mark(char: str, kept: int) -> None:
    assert _texts((char * (MAX_LINE_BYTES + 10) + "\nnext\n").encode()) == [
        f"{char * kept}… [cut: {MAX_LINE_BYTES + 10 - kept} characters more]",
        "next",
    ]
    assert _texts(b"x" * MAX_LINE_BYTES) == ["x" * MAX_LINE_BYTES]


def test_memory_is_bounded_whatever_comes() -> None:
    assembler = Assembler()
    for data in (b"x" * 65536, b"\x1b]" + b"y" * 65536, b"\x1b[" + b"1;" * 32768, b"\x1b[99999999C!"):
        for _ in range(50):
            assembler.feed("stdout", data, 0)
    sizes = [len(row.text) for row in assembler._terminals["stdout"].rows()]
    assert max(sizes) <= MAX_LINE_BYTES
    assert len(assembler._terminals["stdout"]._pending) <= 4096


def test_a_row_further_up_than_the_window_is_out_of_reach() -> None:
    data = b"top\n" + b"x\n" * (WINDOW + 5) + b"\x1b[999Achanged"
    texts = _texts(data)
    assert texts[0] == "top"
    assert texts.count("changed") == 1


def test_what_is_lost_is_said_and_what_follows_stands_alone() -> None:
    assembler = Assembler()
    assembler.feed("stdout", b"half a line\x1b[", 0)
    assembler.lost(1234, 56789, 1)
    assembler.feed("stdout", b"after\n", 2)
    assert [(line.number, line.text) for line in assembler.close(3)] == [
        (0, "half a line"),
        (1, "[runstream: 1,234 lines, 56,789 bytes of output are not kept: they came too fast]"),
        (2, "after"),
    ]


def test_the_real_tqdm_and_rich_are_understood() -> None:
    from rich import console as rich_console
    from rich import progress

    out = io.StringIO()
    console = rich_console.Console(file=out, force_terminal=True, width=80)
    with progress.Progress(console=console, auto_refresh=False) as bars:
        first, second = bars.add_task("first", total=50), bars.add_task("second", total=50)
        for _ in range(50):
            bars.advance(first)
            bars.advance(second)
            bars.refresh()
        console.print("a word between")
    texts = [text for text in _texts(out.getvalue().encode()) if text.strip()]
    assert texts[0].strip() == "a word between"
    assert [text.split()[0] for text in texts[1:]] == ["first", "second"]
    assert all("100%" in text for text in texts[1:])
