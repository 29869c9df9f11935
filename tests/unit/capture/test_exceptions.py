"""Exceptions in words: whole, bounded, without secrets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.capture.exceptions import MAX_TEXT_BYTES, Failure, Watch, cut_middle, describe, read_signal_record
from runstream.capture.redact import Redactor


def _caught(run: object) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # any
        run()  # type: ignore[operator]
    return caught.value


def test_an_exception_and_its_causes_are_told() -> None:
    def run() -> None:
        try:
            {}["loss"]
        except KeyError as error:
            raise RuntimeError("no loss, password=hunter2") from error

    error = _caught(run)
    failure = describe(error, error.__traceback__, 7, Redactor({}).text)
    assert (failure.kind, failure.type, failure.time_us) == ("exception", "RuntimeError", 7)
    assert failure.message == "no loss, password=***"
    assert failure.traceback.startswith("Traceback (most recent call last):\n")
    assert "KeyError: 'loss'" in failure.traceback
    assert "The above exception was the direct cause" in failure.traceback
    assert failure.traceback.endswith("RuntimeError: no loss, password=***\n")
    assert "hunter2\n" not in failure.traceback


def test_a_deep_recursion_and_a_long_text_are_bounded() -> None:
    def recurse(n: int) -> None:
        other(n) if n % 2 else recurse(n + 1)

    def other(n: int) -> None:
        recurse(n + 1)

    error = _caught(lambda: recurse(0))
    failure = describe(error, error.__traceback__, 0)
    assert failure.type == "RecursionError"
    assert len(failure.traceback.encode()) <= MAX_TEXT_BYTES
    huge = describe(ValueError("x" * 10_000_000), None, 0)
    assert len(huge.message) == 2000
    assert len(huge.traceback.encode()) <= MAX_TEXT_BYTES


def test_I4_an_exception_without_a_text_is_told_all_the_same() -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    failure = describe(OddError(), None, 0)
    assert "no text" in failure.message
    assert "OddError" in failure.traceback


@given(st.text(), st.integers(100, 300))
def test_what_is_cut_keeps_its_ends_and_its_bound(text: str, limit: int) -> None:
    text = text * 20
    cut = cut_middle(text, limit)
    assert len(cut.encode()) <= limit
    if len(text.encode("utf-8", "replace")) <= limit:
        assert cut.encode() == text.encode("utf-8", "replace")
    else:
        assert cut.startswith(text[:2])
        assert cut.endswith(text[-2:])


def test_the_hook_tells_and_hands_on(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[object] = []
    told: list[Failure] = []
    monkeypatch.setattr(sys, "excepthook", lambda *arguments: printed.append(arguments[1]))
    before = sys.excepthook
    watch = Watch(told.append)
    error = ValueError("x")
    sys.excepthook(ValueError, error, None)
    assert (printed, [failure.message for failure in told]) == ([error], ["x"])
    watch.stop()
    watch.stop()
    assert sys.excepthook is before


def test_I4_a_hook_that_fails_hands_on(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[object] = []
    monkeypatch.setattr(sys, "excepthook", lambda *arguments: printed.append(arguments[1]))
    watch = Watch(lambda failure: 1 / 0)
    sys.excepthook(ValueError, ValueError("x"), None)
    watch.stop()
    assert len(printed) == 1


def test_a_hook_set_since_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    watch = Watch(lambda failure: None)
    theirs = lambda *arguments: None  # noqa: E731
    sys.excepthook = theirs
    watch.stop()
    assert sys.excepthook is theirs


def test_an_empty_or_missing_record_of_a_signal_is_none(tmp_path: Path) -> None:
    assert read_signal_record(tmp_path / "none") is None
    (tmp_path / "empty").touch()
    assert read_signal_record(tmp_path / "empty") is None
