"""``runstream artifact``: put, get and list versioned files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from runstream import artifact, rpc_client
from runstream import settings as settings_module
from runstream.errors import InvalidField

EXAMPLE = "runstream artifact put model.pt --name digits/best-model --type model --alias best"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("--server", metavar="URL", help="the server's HTTP address (default: RUNSTREAM_BASE_URL)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    put = actions.add_parser("put", help="put a file or directory as the next version")
    put.add_argument("path", type=Path)
    put.add_argument("--name", required=True, metavar="[ENTITY/]PROJECT/COLLECTION")
    put.add_argument("--type", required=True, help="such as model or dataset")
    put.add_argument("--alias", action="append", default=[], help="alias to move to this version; repeatable")
    get = actions.add_parser("get", help="download a version")
    get.add_argument("name", metavar="[ENTITY/]PROJECT/COLLECTION[:VERSION]")
    get.add_argument("--to", type=Path, default=Path(), metavar="DIR", help="where to (default: here)")
    ls = actions.add_parser("ls", help="list versions")
    ls.add_argument("name", metavar="[ENTITY/]PROJECT/COLLECTION")


def run(args: argparse.Namespace) -> int:
    """Does the action."""
    settings = settings_module.load({"base_url": args.server})
    server = artifact.Server(settings.base_url, settings.api_key)
    # Without an entity it is the caller's own, "-"; that alone would look like an option.
    args.name = f"-/{args.name}" if args.name.count("/") == 1 else args.name
    if args.action == "put":
        project, _, collection = args.name.rpartition("/")
        if project.count("/") != 1:
            raise InvalidField("--name", f"must have the form [entity/]project/collection, not {args.name!r}")
        result = artifact.put(server, project, collection, args.path, type=args.type, aliases=args.alias)
        state = "new" if result.created else "unchanged"
        text = f"{result.name} ({state}, {result.uploaded_bytes:,} bytes sent)"
        print(json.dumps(result.__dict__) if args.json else text)
    elif args.action == "get":
        for path in artifact.get(server, args.name, args.to):
            print(json.dumps({"path": str(path)}) if args.json else path)
    else:
        _list(server, args.name, as_json=args.json)
    return 0


def _list(server: artifact.Server, name: str, *, as_json: bool) -> None:
    token = ""
    while True:
        request = {"collection": name, "pageToken": token}
        page = rpc_client.call(server.base_url, "ArtifactService/ListVersions", request, api_key=server.api_key)
        for version in page.get("versions", []):
            aliases = ", ".join(version.get("aliases", []))
            line = f"{version['name']:<40} {int(version.get('size', 0)):>14,} bytes  {version['createTime']}  {aliases}"
            print(json.dumps(version) if as_json else line.rstrip())
        token = page.get("nextPageToken", "")
        if not token:
            return
