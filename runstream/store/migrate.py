"""Brings the schema to this version: numbered SQL files, each applied once, in order.

Several services may start at once against one server, so a statement may run twice: every CREATE is made
IF NOT EXISTS, and the rows that record a migration replace each other. A schema newer than this code is
refused rather than guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from runstream.errors import SetupError
from runstream.store import engines
from runstream.store.client import Store

_FILE = re.compile(r"^(\d{4})_\w+\.sql$")
_COMMENT_LINE = re.compile(r"^\s*--.*$", re.MULTILINE)
_LEDGER = """
CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, applied_at DateTime DEFAULT now())
ENGINE = {replacing} ORDER BY number SETTINGS {table_settings}
"""


@dataclass(frozen=True)
class Migration:
    """One file of the migrations folder."""

    number: int
    name: str
    statements: tuple[str, ...]


def all_migrations() -> list[Migration]:
    """The migrations this version has, by number."""
    return sorted(_read(), key=lambda migration: migration.number)


def migrate(store: Store) -> list[Migration]:
    """Applies what is missing and returns it.

    Raises:
        SetupError: the database was migrated by a newer version.
        StorageUnavailable: the engine cannot be reached.
    """
    store.command(engines.fill(_LEDGER))
    known = all_migrations()
    applied = {int(row[0]) for row in store.query("SELECT DISTINCT number FROM migrations")}
    unknown = applied - {migration.number for migration in known}
    if unknown:
        raise SetupError(
            f"database {store.database} has migration {max(unknown)}, this version knows {known[-1].number} at most",
            next_step="upgrade runstream on this machine",
        )
    missing = [migration for migration in known if migration.number not in applied]
    for migration in missing:
        for statement in migration.statements:
            store.command(statement)
        store.command(f"INSERT INTO migrations (number, name) VALUES ({migration.number}, '{migration.name}')")
    return missing


def _read() -> Iterator[Migration]:
    for entry in resources.files("runstream.store.migrations").iterdir():
        match = _FILE.match(entry.name)
        if match is None:
            continue
        sql = _COMMENT_LINE.sub("", engines.fill(entry.read_text("utf-8")))
        sql = sql.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ")
        statements = tuple(part.strip() for part in sql.split(";") if part.strip())
        yield Migration(int(match[1]), entry.name.removesuffix(".sql"), statements)
