"""Who calls, and what they may: the one place where rights are decided (I9).

The host's interceptors authenticate a call and set its caller; methods ask ``current_caller`` and check
with ``require``. Teams, quotas and audit will hang on Caller.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum

from runstream.errors import InvalidField, NotAllowed


class Role(IntEnum):
    """What a key allows; a higher role may all that a lower one may."""

    VIEWER = 1
    WRITER = 2
    ADMIN = 3


@dataclass(frozen=True)
class Caller:
    """An authenticated caller. ``any_entity`` is true only on a server without keys, on loopback."""

    entity: str
    role: Role
    key_id: str = ""
    any_entity: bool = False


LOCAL_CALLER = Caller(entity="local", role=Role.ADMIN, any_entity=True)

caller_var: ContextVar[Caller] = ContextVar("runstream_caller")


def current_caller() -> Caller:
    """The caller of the call that is being served."""
    return caller_var.get()


def require(caller: Caller, entity: str, role: Role) -> str:
    """Checks that a caller may act on an entity and returns the entity's name.

    Args:
        caller: who calls.
        entity: what they name; empty or "-" means their own.
        role: the least role needed.

    Raises:
        NotAllowed: the key does not reach the entity or has a lower role.
    """
    wanted = caller.entity if entity in ("", "-") else entity
    if wanted != caller.entity and not caller.any_entity:
        raise NotAllowed(
            f"key {caller.key_id} reaches entity {caller.entity!r}, not {wanted!r}",
            next_step=f"use entity {caller.entity!r} or a key of {wanted!r}",
        )
    if caller.role < role:
        raise NotAllowed(
            f"key {caller.key_id} has role {caller.role.name.lower()}, this needs {role.name.lower()}",
            next_step="ask an admin for a key with that role",
        )
    return wanted


def split_name(field: str, name: str, parts: int) -> list[str]:
    """Splits a resource name such as entity/project/run.

    Raises:
        InvalidField: the name has another number of parts or an empty one.
    """
    pieces = name.split("/")
    if len(pieces) != parts or not all(pieces):
        form = "/".join(("entity", "project", "run")[:parts])
        raise InvalidField(field, f"must have the form {form}, not {name!r}")
    return pieces
