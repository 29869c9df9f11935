"""``runstream key``: make, list and revoke API keys."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from runstream import rpc_client
from runstream import settings as settings_module
from runstream.errors import NotFound

EXAMPLE = "runstream key create --entity vision-team --name ci --role writer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--data", type=Path, default=Path("runstream-data"), metavar="DIR", help="a stopped server's data"
    )
    where.add_argument("--clickhouse", metavar="URL", default=os.environ.get("RUNSTREAM_CLICKHOUSE"))
    where.add_argument("--server", metavar="URL", help="a running server; needs an admin's key in RUNSTREAM_API_KEY")
    parser.add_argument("--json", action="store_true", help="print JSON")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key; it is shown once")
    create.add_argument("--entity", default="local", help="team or user whose runs it reaches (default: local)")
    create.add_argument("--name", default="", help="what it is for")
    create.add_argument("--role", choices=["viewer", "writer", "admin"], default="writer")
    ls = actions.add_parser("ls", help="list keys")
    ls.add_argument("--entity", default="local")
    revoke = actions.add_parser("revoke", help="revoke a key")
    revoke.add_argument("key_id", metavar="KEY_ID", help="its id, as `ls` shows it")
    revoke.add_argument("--entity", default="local")


def run(args: argparse.Namespace) -> int:
    """Does the action, through a running server or on its store."""
    if args.server:
        _print(args, _through_server(args))
        return 0
    _print(args, _on_store(args))
    return 0


def _through_server(args: argparse.Namespace) -> dict[str, Any]:
    settings = settings_module.load({"base_url": args.server})

    def call(method: str, request: dict[str, Any]) -> dict[str, Any]:
        return rpc_client.call(settings.base_url, f"KeyService/{method}", request, api_key=settings.api_key)

    if args.action == "create":
        role = f"ROLE_{args.role.upper()}"
        made = call("CreateKey", {"entity": args.entity, "name": args.name, "role": role})
        return {"key": made["key"], "keys": [_plain(made["apiKey"])]}
    if args.action == "ls":
        return {"keys": [_plain(key) for key in call("ListApiKeys", {"entity": args.entity}).get("keys", [])]}
    return {"keys": [_plain(call("RevokeKey", {"keyId": args.key_id})["apiKey"])]}


def _on_store(args: argparse.Namespace) -> dict[str, Any]:
    # The engine is loaded here, so that `--server` works where only the SDK is installed.
    from dataclasses import replace

    from runstream.service.caller import Role
    from runstream.service.keys import make_key
    from runstream.store import keys
    from runstream.store.client import Store
    from runstream.store.migrate import migrate

    store = Store(args.clickhouse or f"chdb://{args.data / 'clickhouse'}")
    try:
        migrate(store)
        if args.action == "create":
            key, known = make_key(store, args.entity, args.name, Role[args.role.upper()])
            return {"key": key, "keys": [_stored(known)]}
        known_keys = keys.listed(store, args.entity)
        if args.action == "ls":
            return {"keys": [_stored(each) for each in known_keys]}
        for each in known_keys:
            if each.key_id == args.key_id:
                keys.put(store, replace(each, revoked=True))
                return {"keys": [_stored(replace(each, revoked=True))]}
        raise NotFound(f"no key {args.key_id!r} of entity {args.entity!r}", next_step="see `runstream key ls`")
    finally:
        store.close()


def _stored(key: Any) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "entity": key.entity,
        "name": key.name,
        "role": key.role,
        "state": "revoked" if key.revoked else "valid",
    }


def _plain(key: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": key["keyId"],
        "entity": key["entity"],
        "name": key.get("name", ""),
        "role": key["role"].removeprefix("ROLE_").lower(),
        "state": "revoked" if key.get("revoked") else "valid",
    }


def _print(args: argparse.Namespace, result: dict[str, Any]) -> None:
    if args.json:
        print(json.dumps(result))
        return
    if "key" in result:
        print(result["key"])
        return
    for key in result["keys"]:
        print(f"{key['id']:<14} {key['entity']:<20} {key['role']:<8} {key['state']:<8} {key['name']}".rstrip())
