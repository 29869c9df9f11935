"""HTML from text, files and streams."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from support.files import logged

from runstream.errors import InvalidField
from runstream.values.group import Group
from runstream.values.html import Html


def kept(html: Html) -> str:
    entry, files = logged(html)
    return files.of(entry).decode()


def test_the_json_is_that_of_wandb() -> None:
    entry, files = logged(Html("<b>é</b>", inject=False), "page", 1)
    assert entry["_type"] == "html-file"
    assert entry["path"] == f"media/html/page_1_{entry['sha256'][:20]}.html"
    assert list(files.media_types.values()) == ["text/html"]
    assert files.of(entry) == "<b>é</b>".encode()


def test_sources(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<p>file</p>")
    sources: list[Any] = [path, str(path), io.StringIO("<p>file</p>"), io.BytesIO(b"<p>file</p>")]
    assert {kept(Html(source, inject=False)) for source in sources} == {"<p>file</p>"}
    assert kept(Html(str(path), inject=False, data_is_not_path=True)) == str(path)
    assert kept(Html("nothing.html", inject=False)) == "nothing.html"
    assert kept(Html("lone \ud800", inject=False)) == "lone ?"


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("<p>x</p>", "<head>"),
        ("<!doctype html><html lang='en'><body>x</body></html>", "<!doctype html><html lang='en'><head>"),
        ("<html><HEAD data-x><title>x</title></HEAD></html>", "<html><HEAD data-x>"),
        ("<header>x</header>", "<head>"),
    ],
)
def test_injection_stands_in_the_head(text: str, before: str) -> None:
    page = kept(Html(text))
    assert page.startswith(before + '<base target="_blank">')
    assert page.endswith(text[-8:])


def test_a_list_is_one_value() -> None:
    entry, _ = logged(Group([Html("a"), Html("b")]))
    assert (entry["_type"], entry["count"], len(entry["html"])) == ("html", 2, 2)


def test_what_is_no_html_is_told() -> None:
    with pytest.raises(InvalidField, match=r"data: there is no file '/nonexistent\.html'"):
        Html(Path("/nonexistent.html"))
    with pytest.raises(InvalidField, match="data: must be HTML text, a path or an open file, not int"):
        Html(3)
