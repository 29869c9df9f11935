"""From authorization to caller: keys, roles, and what works without any."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import pytest

from runstream.errors import KeyMissing, KeyUnknown, NotAllowed
from runstream.service.auth import Authenticator, needs_key
from runstream.service.caller import LOCAL_CALLER, Caller, Role, require
from runstream.service.keys import hash_key, new_key
from runstream.store.keys import StoredKey


class Keys:
    """Keys in a dict."""

    def __init__(self, keys: Iterable[StoredKey]) -> None:
        self.by_hash = {key.key_hash: key for key in keys}
        self.lookups = 0

    async def find(self, key_hash: str, /) -> StoredKey | None:
        self.lookups += 1
        return self.by_hash.get(key_hash)

    async def any_key(self) -> bool:
        return bool(self.by_hash)


def stored(key: str, *, revoked: bool = False) -> StoredKey:
    return StoredKey(hash_key(key), key[:11], "team", "n", "writer", 0, revoked)


def test_a_key_is_random_and_long_enough_for_every_client() -> None:
    key = new_key()
    prefix, _, secret = key.partition("-")
    assert prefix == "rs"
    assert len(secret) >= 40
    assert "-" not in secret
    assert key != new_key()


async def test_bearer_and_basic_give_the_keys_caller() -> None:
    key = new_key()
    authenticator = Authenticator(Keys([stored(key)]), allows_keyless=False)
    basic = base64.b64encode(f"api:{key}".encode()).decode()
    for authorization in (f"Bearer {key}", f"bearer  {key} ", f"Basic {basic}"):
        assert await authenticator.authenticate(authorization) == Caller("team", Role.WRITER, key[:11])


@pytest.mark.parametrize("authorization", ["Bearer rs-wrong", "Basic !!!", "rs-wrong", "Digest x"])
async def test_a_wrong_key_is_refused_even_where_none_is_needed(authorization: str) -> None:
    authenticator = Authenticator(Keys([]), allows_keyless=True)
    with pytest.raises(KeyUnknown):
        await authenticator.authenticate(authorization)


async def test_a_revoked_key_is_refused_without_showing_it_whole() -> None:
    key = new_key()
    authenticator = Authenticator(Keys([stored(key, revoked=True)]), allows_keyless=False)
    with pytest.raises(KeyUnknown) as caught:
        await authenticator.authenticate(f"Bearer {key}")
    assert key not in str(caught.value)


async def test_no_key_is_the_local_caller_or_a_message_that_says_what_to_do() -> None:
    assert await Authenticator(Keys([]), allows_keyless=True).authenticate(None) is LOCAL_CALLER
    with pytest.raises(KeyMissing, match="RUNSTREAM_API_KEY"):
        await Authenticator(Keys([]), allows_keyless=False).authenticate("")


async def test_look_ups_are_remembered_wrong_ones_too() -> None:
    source = Keys([])
    authenticator = Authenticator(source, allows_keyless=False)
    for _ in range(5):
        with pytest.raises(KeyUnknown):
            await authenticator.authenticate("Bearer rs-wrong")
    assert source.lookups == 1


def test_roles_and_entities() -> None:
    viewer = Caller("team", Role.VIEWER, "rs-1")
    assert require(viewer, "", Role.VIEWER) == require(viewer, "-", Role.VIEWER) == "team"
    with pytest.raises(NotAllowed, match="role viewer, this needs writer"):
        require(viewer, "team", Role.WRITER)
    with pytest.raises(NotAllowed, match="reaches entity 'team', not 'other'"):
        require(viewer, "other", Role.VIEWER)
    assert require(LOCAL_CALLER, "other", Role.ADMIN) == "other"


def test_which_paths_need_a_key() -> None:
    assert needs_key("/runstream.v1.QueryService/ListRuns")
    assert needs_key("/api/other")
    assert needs_key("/files/e/p/r/x.png")
    for path in ("/", "/p/a/b", "/assets/x.js", "/healthz", "/readyz", "/metrics", "/api/endpoints"):
        assert not needs_key(path)
