"""Reading an HTTP request as a statement: what is SQL, what is data, what can be streamed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# URL parameters that are the transport's; every other one is a setting or a param_.
_TRANSPORT = frozenset(
    {
        *("query", "database", "query_id", "quota_key", "role", "user", "password", "default_format"),
        *("session_id", "session_timeout", "session_check", "close_session", "client_protocol_version"),
        *("compress", "decompress", "buffer_size", "wait_end_of_query", "stacktrace", "enable_http_compression"),
        *("http_zlib_compression_level", "send_progress_in_http_headers", "http_headers_progress_interval_ms"),
        "cancel_http_readonly_queries_on_client_close",
    }
)
_SETTING_NAME = re.compile(r"[A-Za-z_]\w*")
_COMMENTS = re.compile(r"^(\s*(--[^\n]*\n|/\*.*?\*/))+", re.DOTALL)
_SELECT = re.compile(r"[\s(]*(SELECT|WITH)\b", re.IGNORECASE)
_HAS_RESULT = re.compile(r"\s*(SELECT|WITH|SHOW|DESC|DESCRIBE|EXPLAIN|EXISTS|CHECK|KILL|\()", re.IGNORECASE)
_FORMAT_AT_END = re.compile(r"\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[^;]*)?;?\s*$", re.IGNORECASE)
# The statement part of an INSERT with data behind it; SETTINGS may stand before FORMAT.
_INSERT = re.compile(
    rb"\s*(INSERT\s+INTO\s+.*?)(\s+SETTINGS\s+\w+\s*=.*?)?\s+FORMAT\s+(\w+)\s*(?:\n|\r\n|;|$)",
    re.IGNORECASE | re.DOTALL,
)
_INSERT_HEAD_BYTES = 1 << 16
# Formats without a header or footer over the whole result: blocks of them can be sent one after the other.
_BLOCKWISE = frozenset({"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow"})
DEFAULT_FORMAT = "TabSeparated"


@dataclass(frozen=True)
class Insert:
    """An INSERT whose rows came with it: ``INSERT INTO`` its target, its ``SETTINGS`` or nothing, its rows."""

    target: str
    settings: str
    format: str
    data: memoryview

    def from_file(self, path: str) -> str:
        """The statement that takes the rows from a file."""
        return f"{self.target} FROM INFILE {quoted(path)}{self.settings} FORMAT {self.format}"


@dataclass(frozen=True)
class Query:
    """Any other statement."""

    sql: str
    format: str
    has_result: bool
    is_streamed: bool


def parse(text: bytes, parameters: Mapping[str, str]) -> Insert | Query | None:
    """Reads a request's query and body as one statement; None if there is nothing.

    Data of an INSERT is never left inside the SQL: chDB cuts inline binary data at the first blank line.
    """
    if not text.strip():
        return None
    insert = _INSERT.match(text[:_INSERT_HEAD_BYTES])
    if insert and insert[3].lower() != b"values" and len(text) > insert.end():
        target, settings, rows_format = (part.decode() for part in (insert[1], insert[2] or b"", insert[3]))
        return Insert(target, settings, rows_format, memoryview(text)[insert.end() :])
    sql = text.decode("utf-8", "surrogateescape")
    named = _FORMAT_AT_END.search(sql)
    bare = _COMMENTS.sub("", sql)
    output = named[1] if named else parameters.get("default_format", DEFAULT_FORMAT)
    streamed = bool(_SELECT.match(bare)) and output in _BLOCKWISE and parameters.get("wait_end_of_query") != "1"
    return Query(sql, output, bool(_HAS_RESULT.match(bare)), streamed)


def settings_of(parameters: Mapping[str, str]) -> dict[str, str]:
    """The settings among URL parameters."""
    return {
        name: value
        for name, value in parameters.items()
        if name not in _TRANSPORT and not name.startswith("param_") and _SETTING_NAME.fullmatch(name)
    }


def bound_of(parameters: Mapping[str, str]) -> dict[str, str]:
    """The bound parameters among URL parameters, without their prefix."""
    return {name[6:]: value for name, value in parameters.items() if name.startswith("param_")}


def quoted(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted_name(name: str) -> str:
    """An identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
