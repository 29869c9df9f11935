"""``runstream.Html``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, ClassVar

from runstream.errors import InvalidField
from runstream.values.media import FileSink, Value, media_path
from runstream.values.sources import existing, is_stream, read_all

# Links open beside the dashboard, not inside the panel; nothing is loaded from elsewhere.
_INJECTED = '<base target="_blank"><style>body{font-family:sans-serif;margin:8px}</style>'
_HEAD = re.compile(r"<head(\s[^>]*)?>", re.IGNORECASE)
_HTML = re.compile(r"<html(\s[^>]*)?>", re.IGNORECASE)


class Html(Value):
    """A piece of HTML.

    Args:
        data: HTML text; a path (a ``Path``, or a text ending in ``.html`` that is the path of a file); or an open
            file. Files are read when the value is made.
        inject: puts a ``<base target="_blank">`` and a plain font into the head.
        data_is_not_path: takes text as HTML in any case.

    Raises:
        InvalidField: there is no such file, or ``data`` is none of these.
    """

    group: ClassVar[tuple[str, str] | None] = ("html", "html")

    def __init__(self, data: Any, inject: bool = True, data_is_not_path: bool = False) -> None:
        text = _text(data, data_is_not_path)
        self.html = _with_injected(text) if inject else text

    def to_json(self, files: FileSink, key: str, step: int) -> dict[str, Any]:
        """``{"_type": "html-file", "path", "sha256", "size"}``."""
        content = self.html.encode(errors="replace")
        return {"_type": "html-file", **files.add_bytes(content, media_path("html", key, step, "html"), "text/html")}


def _text(data: Any, is_not_path: bool) -> str:
    if isinstance(data, str) and (is_not_path or not _is_file(data)):
        return data
    if isinstance(data, (str, os.PathLike)):
        return existing(data, "data").read_bytes().decode(errors="replace")
    if is_stream(data):
        return read_all(data).decode(errors="replace")
    raise InvalidField("data", f"must be HTML text, a path or an open file, not {type(data).__name__}")


def _is_file(text: str) -> bool:
    return text.lower().endswith((".html", ".htm")) and "<" not in text and "\x00" not in text and Path(text).is_file()


def _with_injected(text: str) -> str:
    """The text with a few more tags at the start of its head; the head is made where there is none."""
    if head := _HEAD.search(text):
        return text[: head.end()] + _INJECTED + text[head.end() :]
    wrapped = f"<head>{_INJECTED}</head>"
    if html := _HTML.search(text):
        return text[: html.end()] + wrapped + text[html.end() :]
    return wrapped + text
