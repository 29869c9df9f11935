"""``runstream.login``: an API key for a server, checked with it, kept for this user alone."""

from __future__ import annotations

import sys

from runstream import settings as settings_module
from runstream.errors import InvalidField, KeyMissing, RunstreamError
from runstream.settings import Settings


def verify(base_url: str, api_key: str, *, timeout_s: float) -> None:
    """Asks the server whether it takes a key.

    Raises:
        KeyUnknown: it does not.
        ServerUnreachable: nothing answers.
    """
    from runstream.rpc_client import call

    call(base_url, "QueryService/ListProjects", {"pageSize": 1}, api_key=api_key, timeout_s=timeout_s)


def find_key(settings: Settings, key: str | None, *, asks: bool) -> str:
    """The key to use: given, known, or typed at the terminal.

    Raises:
        InvalidField: a given key cannot be one.
    """
    if key is not None:
        if not key.startswith("rs-") or not key.isascii() or any(map(str.isspace, key)):
            raise InvalidField("key", "must begin with rs-", next_step="make one with `runstream key create`")
        return key
    if settings.api_key and not asks:
        return settings.api_key
    if asks and sys.stdin is not None and sys.stdin.isatty():
        import getpass

        return find_key(settings, getpass.getpass(f"API key for {settings.base_url}: ").strip(), asks=False)
    return ""


def login(settings: Settings, key: str | None, *, relogin: bool, force: bool, checks: bool, timeout_s: float) -> bool:
    """Keeps a key; see ``runstream.login``."""
    found = find_key(settings, key, asks=relogin)
    if not found and force:
        raise KeyMissing(
            f"no API key for {settings.base_url}", next_step="give key=, set RUNSTREAM_API_KEY or run `runstream login`"
        )
    if found and checks:
        try:
            verify(settings.base_url, found, timeout_s=timeout_s)
        except RunstreamError as error:
            if settings.strict or force or not error.retryable:
                raise
            print(f"runstream: cannot check the API key: {error.message}; it is used as it is", file=sys.stderr)
    if found and found != settings_module.stored_key(settings.base_url) and (key is not None or relogin):
        settings_module.store_key(settings.base_url, found)
    return bool(found)
