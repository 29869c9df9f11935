"""API keys in ClickHouse: hashes only; the key itself is never stored."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from runstream.store.client import Store

_SCHEMA = pa.schema(
    [
        ("key_hash", pa.string()),
        ("key_id", pa.string()),
        ("entity", pa.string()),
        ("name", pa.string()),
        ("role", pa.string()),
        ("created_at", pa.timestamp("ms", tz="UTC")),
        ("revoked", pa.bool_()),
        ("ver", pa.uint64()),
    ]
)
_COLUMNS = "key_hash, key_id, entity, name, role, toUnixTimestamp64Milli(created_at), revoked"


@dataclass(frozen=True)
class StoredKey:
    """What is known of a key. ``role`` is viewer, writer or admin."""

    key_hash: str
    key_id: str
    entity: str
    name: str
    role: str
    created_ms: int
    revoked: bool = False


def put(store: Store, key: StoredKey) -> None:
    """Adds a key, or replaces what is known of it."""
    ver = time.time_ns() // 1000
    row = {
        "key_hash": key.key_hash,
        "key_id": key.key_id,
        "entity": key.entity,
        "name": key.name,
        "role": key.role,
        "created_at": key.created_ms,
        "revoked": key.revoked,
        "ver": ver,
    }
    store.insert_arrow("api_keys", pa.Table.from_pylist([row], _SCHEMA))


def find(store: Store, key_hash: str) -> StoredKey | None:
    """The key with this hash, revoked or not."""
    rows = store.query(
        f"SELECT {_COLUMNS} FROM api_keys FINAL WHERE key_hash = {{key_hash:String}}", {"key_hash": key_hash}
    )
    return _key(rows[0]) if rows else None


def listed(store: Store, entity: str) -> list[StoredKey]:
    """Keys of an entity, newest first, at most 1000."""
    rows = store.query(
        f"SELECT {_COLUMNS} FROM api_keys FINAL WHERE entity = {{entity:String}} ORDER BY created_at DESC LIMIT 1000",
        {"entity": entity},
    )
    return [_key(row) for row in rows]


def any_key(store: Store) -> bool:
    """Whether there is a key that is not revoked."""
    return bool(store.query("SELECT 1 FROM api_keys FINAL WHERE NOT revoked LIMIT 1"))


def _key(row: Sequence[Any]) -> StoredKey:
    key_hash, key_id, entity, name, role, created_ms, revoked = row
    text = key_hash.decode() if isinstance(key_hash, bytes) else str(key_hash)
    return StoredKey(text, key_id, entity, name, role, int(created_ms), bool(revoked))
