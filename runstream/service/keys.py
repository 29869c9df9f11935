"""API keys: how they are made, and the KeyService that makes, lists and revokes them."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import string
import time

from runstream import names
from runstream.errors import InvalidField, NotFound
from runstream.service.caller import Role, current_caller, require
from runstream.store import keys as stored
from runstream.store.client import Store
from runstream.v1 import key_pb2

# 43 characters of 62 are 256 bits. No "-" among them: clients tell keys apart by what follows the first dash,
# and some want at least 40 characters there.
_ALPHABET = string.ascii_letters + string.digits
_SECRET_CHARS = 43
_ID_CHARS = 8


def new_key() -> str:
    """A fresh API key."""
    return "rs-" + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARS))


def hash_key(key: str) -> str:
    """SHA-256 of the whole key, hex. The key is 256 random bits: no salt or stretching is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


def make_key(store: Store, entity: str, name: str, role: Role) -> tuple[str, stored.StoredKey]:
    """Makes and keeps a key; returns it and what is known of it.

    Raises:
        InvalidField: the entity or name cannot be.
    """
    problem = names.name_problem(entity)
    if problem:
        raise InvalidField("entity", problem)
    if len(name) > names.MAX_NAME_CHARS:
        raise InvalidField("name", f"has {len(name)} characters, the limit is {names.MAX_NAME_CHARS}")
    key = new_key()
    known = stored.StoredKey(
        hash_key(key), key[: 3 + _ID_CHARS], entity, name, role.name.lower(), time.time_ns() // 1_000_000
    )
    stored.put(store, known)
    return key, known


class KeyService:
    """The KeyService of key.proto; for admins."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def CreateKey(self, request: key_pb2.CreateKeyRequest) -> key_pb2.CreateKeyResponse:
        """Makes a key."""
        entity = require(current_caller(), request.entity, Role.ADMIN)
        if int(request.role) not in {role.value for role in Role}:
            raise InvalidField("role", "must be viewer, writer or admin")
        key, known = await self._store.call(make_key, self._store, entity, request.name, Role(request.role))
        return key_pb2.CreateKeyResponse(key=key, api_key=_message(known))

    async def ListApiKeys(self, request: key_pb2.ListApiKeysRequest) -> key_pb2.ListApiKeysResponse:
        """Lists keys."""
        entity = require(current_caller(), request.entity, Role.ADMIN)
        known = await self._store.call(stored.listed, self._store, entity)
        return key_pb2.ListApiKeysResponse(keys=[_message(key) for key in known])

    async def RevokeKey(self, request: key_pb2.RevokeKeyRequest) -> key_pb2.RevokeKeyResponse:
        """Revokes a key."""
        entity = require(current_caller(), "", Role.ADMIN)
        known = await self._store.call(stored.listed, self._store, entity)
        for key in known:
            if key.key_id == request.key_id:
                revoked = dataclasses.replace(key, revoked=True)
                await self._store.call(stored.put, self._store, revoked)
                return key_pb2.RevokeKeyResponse(api_key=_message(revoked))
        raise NotFound(f"no key {request.key_id!r} of entity {entity!r}", next_step="see `runstream key ls`")


def _message(key: stored.StoredKey) -> key_pb2.ApiKey:
    message = key_pb2.ApiKey(
        key_id=key.key_id,
        entity=key.entity,
        name=key.name,
        role=key_pb2.Role.Value(f"ROLE_{key.role.upper()}"),
        revoked=key.revoked,
    )
    message.create_time.FromMilliseconds(key.created_ms)
    return message
