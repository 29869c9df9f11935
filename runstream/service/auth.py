"""Authentication: from a call's authorization to its caller; one interceptor for gRPC, one middleware for HTTP.

On loopback a call without a key is the local user's own and may everything; a call with a wrong key is
refused everywhere. On any other address a key is always needed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections import OrderedDict
from typing import Protocol

from runstream.errors import KeyMissing, KeyUnknown
from runstream.service.caller import LOCAL_CALLER, Caller, Role
from runstream.service.keys import hash_key
from runstream.store import keys as stored
from runstream.store.client import Store

# A revoked key works this long at most; a wrong key reaches ClickHouse this rarely.
_CACHE_S = 30.0
_CACHE_ENTRIES = 10_000
_PREFIXES = ("/healthz", "/readyz", "/metrics", "/api/endpoints")


class KeySource(Protocol):
    """Where keys are looked up."""

    async def find(self, key_hash: str, /) -> stored.StoredKey | None:
        """Looks a key up by its hash."""

    async def any_key(self) -> bool:
        """Whether there is a key at all."""


class StoreKeys:
    """Keys in ClickHouse."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, key_hash: str, /) -> stored.StoredKey | None:
        """Looks a key up by its hash."""
        return await self._store.call(stored.find, self._store, key_hash)

    async def any_key(self) -> bool:
        """Whether there is a key at all."""
        return await self._store.call(stored.any_key, self._store)


class Authenticator:
    """Knows callers by their keys.

    Args:
        source: where keys are looked up.
        allows_keyless: whether a call without a key is LOCAL_CALLER's; set by the host for loopback.
    """

    def __init__(self, source: KeySource, *, allows_keyless: bool) -> None:
        self.source = source
        self.allows_keyless = allows_keyless
        self._known: OrderedDict[str, tuple[float, stored.StoredKey | None]] = OrderedDict()
        self._lock = asyncio.Lock()

    async def authenticate(self, authorization: str | None) -> Caller:
        """The caller behind an Authorization value: Bearer KEY, or Basic with the key as password.

        Raises:
            KeyMissing: there is none and one is needed.
            KeyUnknown: it is not known or was revoked.
        """
        key = _key_of(authorization)
        if not key:
            if self.allows_keyless:
                return LOCAL_CALLER
            raise KeyMissing(
                "no API key", next_step="set RUNSTREAM_API_KEY or run `runstream login`; an admin makes keys"
            )
        found = await self._find(hash_key(key))
        if found is None or found.revoked:
            raise KeyUnknown(
                f"API key {key[:6]}… is not known here or was revoked",
                next_step="check that it belongs to this server, or ask an admin for a new one",
            )
        return Caller(found.entity, Role[found.role.upper()], found.key_id)

    async def _find(self, key_hash: str) -> stored.StoredKey | None:
        now = time.monotonic()
        known = self._known.get(key_hash)
        if known is None or now - known[0] > _CACHE_S:
            async with self._lock:  # one look-up for a thousand streams that open at once
                known = self._known.get(key_hash)
                if known is None or now - known[0] > _CACHE_S:
                    known = (now, await self.source.find(key_hash))
                    self._known[key_hash] = known
                    if len(self._known) > _CACHE_ENTRIES:
                        self._known.popitem(last=False)
        return known[1]


def needs_key(path: str) -> bool:
    """Whether an HTTP path is one of the API or a file of a run; health, metrics and the dashboard's files are open."""
    return path.startswith(("/runstream.", "/api/", "/files/")) and not path.startswith(_PREFIXES)


def _key_of(authorization: str | None) -> str:
    kind, _, value = (authorization or "").strip().partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return "malformed"
    return authorization or ""
