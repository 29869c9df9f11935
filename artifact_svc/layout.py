"""Where things are in the bucket, by name. Pure.

    <entity>/<project>/blobs/<first two digits>/<sha256>                 bytes, shared in the project
    <entity>/<project>/collections/<name>/versions/<number, 10 digits>   manifest, made once, never changed
    <entity>/<project>/collections/<name>/aliases/<alias>                number it points at

Everything else is derived: the newest version is the highest number, ``latest`` is the newest version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from runstream.errors import InvalidField
from runstream.names import name_problem

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_VERSION = re.compile(r"v(\d{1,10})")
LATEST = "latest"


@dataclass(frozen=True)
class Collection:
    """A collection of versions."""

    entity: str
    project: str
    name: str

    @property
    def full_name(self) -> str:
        """entity/project/collection."""
        return f"{self.entity}/{self.project}/{self.name}"

    def versions(self) -> str:
        """Prefix of all versions."""
        return f"{_project(self.entity, self.project)}/collections/{self.name}/versions/"

    def version(self, number: int) -> str:
        """Key of a version's manifest."""
        return f"{self.versions()}{number:010d}"

    def aliases(self) -> str:
        """Prefix of all aliases."""
        return f"{_project(self.entity, self.project)}/collections/{self.name}/aliases/"

    def alias(self, alias: str) -> str:
        """Key of an alias."""
        return f"{self.aliases()}{alias}"


def blob(entity: str, project: str, sha256: str) -> str:
    """Key of a blob."""
    return f"{_project(entity, project)}/blobs/{sha256[:2]}/{sha256}"


def check_name(field: str, name: str) -> str:
    """Checks a collection's or alias's name and returns it.

    Raises:
        InvalidField: it cannot be one.
    """
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise InvalidField(field, f"must be 1 to 128 letters, digits, '.', '_' or '-', not {name!r}")
    return name


def check_project(entity: str, project: str) -> None:
    """Checks a project's name."""
    for field, name in (("entity", entity), ("project", project)):
        problem = name_problem(name)
        if problem:
            raise InvalidField(field, problem)


def version_number(label: str) -> int | None:
    """The number in ``v3``; None for an alias."""
    match = _VERSION.fullmatch(label)
    return int(match[1]) if match else None


def _project(entity: str, project: str) -> str:
    return f"{quote(entity, safe='')}/{quote(project, safe='')}"
