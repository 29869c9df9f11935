"""Versions on S3: numbers decided by create-only puts, so any number of replicas agree without a database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format

from artifact_svc.layout import LATEST, Collection, version_number
from runstream.errors import Conflict, InvalidField, NotFound
from runstream.store.s3 import S3
from runstream.v1 import artifact_pb2

# Each lost race means that another commit went through, so this many in a row mean a storm, not a deadlock.
_MAX_RACES = 1000


def commit(s3: S3, collection: Collection, version: artifact_pb2.ArtifactVersion) -> tuple[int, bool]:
    """Makes the next version, unless the newest one has the same files.

    Returns:
        The version's number, and whether it is new.

    Raises:
        InvalidField: the collection has another type.
        Conflict: too many commits at once.
    """
    number = newest(s3, collection)
    for _ in range(_MAX_RACES):
        if number >= 0:
            before = read(s3, collection, number)
            if before.digest == version.digest:
                return number, False
            if before.type != version.type:
                raise InvalidField("type", f"is {before.type!r} for {collection.full_name}, not {version.type!r}")
        version.number = number + 1
        version.name = f"{collection.full_name}:v{version.number}"
        try:
            s3.create(collection.version(version.number), json_format.MessageToJson(version).encode())
        except Conflict:
            number += 1  # somebody else made it: look at theirs, then try the one after
            continue
        return version.number, True
    raise Conflict(f"collection {collection.full_name} has too many commits at once", next_step="try again")


def newest(s3: S3, collection: Collection) -> int:
    """The highest number, or -1. Numbers have no gaps, so it is found by doubling and halving."""
    if s3.head(collection.version(0)) is None:
        return -1
    low, high = 0, 1
    while s3.head(collection.version(high)) is not None:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if s3.head(collection.version(middle)) is not None:
            low = middle
        else:
            high = middle
    return low


def read(s3: S3, collection: Collection, number: int) -> artifact_pb2.ArtifactVersion:
    """A version as it was made.

    Raises:
        NotFound: there is none of this number.
    """
    try:
        text = s3.get(collection.version(number))
    except NotFound:
        raise NotFound(f"artifact {collection.full_name}:v{number} does not exist") from None
    return json_format.Parse(text, artifact_pb2.ArtifactVersion(), ignore_unknown_fields=True)


def resolve(s3: S3, collection: Collection, label: str) -> int:
    """The number that ``v3``, ``latest`` or an alias means.

    Raises:
        NotFound: it means none.
    """
    number = version_number(label)
    if number is None and label == LATEST:
        number = newest(s3, collection)
        number = None if number < 0 else number
    elif number is None:
        number = aliases(s3, collection, label).get(label)
    if number is None:
        raise NotFound(
            f"artifact {collection.full_name}:{label} does not exist",
            next_step=f"see `runstream artifact ls {collection.full_name}`",
        )
    return number


def set_alias(s3: S3, collection: Collection, alias: str, number: int) -> None:
    """Points an alias at a version; the last writer wins."""
    s3.put(collection.alias(alias), json.dumps({"version": number}).encode())


def aliases(s3: S3, collection: Collection, only: str = "") -> dict[str, int]:
    """Aliases and the numbers they point at."""
    keys = [collection.alias(only)] if only else s3.list(collection.aliases())
    found: dict[str, int] = {}
    for key in keys:
        try:
            content: dict[str, Any] = json.loads(s3.get(key))
        except NotFound:
            continue
        found[key.removeprefix(collection.aliases())] = int(content["version"])
    return found


def listed(s3: S3, collection: Collection, before: int | None, limit: int) -> Iterator[artifact_pb2.ArtifactVersion]:
    """Versions below a number, newest first."""
    last = newest(s3, collection) if before is None else before - 1
    for number in range(last, max(last - limit, -1), -1):
        yield read(s3, collection, number)
