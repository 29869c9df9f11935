"""HTTP requests read as statements."""

from __future__ import annotations

import pytest

from runstream.store.ch_http.statement import Insert, Query, bound_of, parse, quoted, quoted_name, settings_of


def test_an_inserts_data_is_never_left_in_its_sql() -> None:
    data = b"\x00\n\n\xff FORMAT Native \n"
    found = parse(b"INSERT INTO `db`.points SETTINGS a='b' FORMAT Arrow\n" + data, {})
    assert isinstance(found, Insert)
    assert (found.format, bytes(found.data)) == ("Arrow", data)
    assert found.from_file("/x") == "INSERT INTO `db`.points FROM INFILE '/x' SETTINGS a='b' FORMAT Arrow"


def test_a_column_called_settings_is_no_setting() -> None:
    found = parse(b"INSERT INTO t (a, settings, format) FORMAT CSV\n1,2,3\n", {})
    assert isinstance(found, Insert)
    assert (found.target, found.settings) == ("INSERT INTO t (a, settings, format)", "")


def test_values_and_selects_into_tables_stay_whole() -> None:
    for text in (b"INSERT INTO t FORMAT Values (1)", b"INSERT INTO t VALUES (1)", b"INSERT INTO t SELECT 1"):
        found = parse(text, {})
        assert isinstance(found, Query)
        assert found.sql == text.decode()
        assert not found.has_result


@pytest.mark.parametrize(
    ("sql", "output", "has_result", "is_streamed"),
    [
        ("SELECT 1", "TabSeparated", True, True),
        ("SELECT 1 FORMAT Native", "Native", True, True),
        ("  -- why\n/* x */ WITH 1 AS a SELECT a FORMAT JSON", "JSON", True, False),
        ("SELECT 1 FORMAT CSV SETTINGS max_threads = 1;", "CSV", True, True),
        ("(SELECT 1) FORMAT Arrow", "Arrow", True, False),
        ("SHOW TABLES", "TabSeparated", True, False),
        ("CREATE TABLE t (a Int8) ENGINE = Memory", "TabSeparated", False, False),
    ],
)
def test_statements(sql: str, output: str, has_result: bool, is_streamed: bool) -> None:
    found = parse(sql.encode(), {})
    assert isinstance(found, Query)
    assert (found.format, found.has_result, found.is_streamed) == (output, has_result, is_streamed)


def test_nothing_is_nothing_and_waiting_for_the_end_does_not_stream() -> None:
    assert parse(b" \n", {}) is None
    found = parse(b"SELECT 1", {"wait_end_of_query": "1", "default_format": "Native"})
    assert isinstance(found, Query)
    assert (found.format, found.is_streamed) == ("Native", False)


def test_settings_and_bound_values_among_parameters() -> None:
    parameters = {"query": "x", "database": "d", "max_threads": "2", "param_a": "1", "a b": "no", "user": "u"}
    assert settings_of(parameters) == {"max_threads": "2"}
    assert bound_of(parameters) == {"a": "1"}


def test_quoting() -> None:
    assert quoted("it's \\ x") == "'it\\'s \\\\ x'"
    assert quoted_name("a`b") == "`a\\`b`"
