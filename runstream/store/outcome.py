"""What a failure of ClickHouse means for the caller: by code, never by text.

The classes follow what other well-used writers retry on, widened by one rule: what is not known to be
permanent may be tried again, since a replay of an insert changes nothing here.
"""

from __future__ import annotations

import re
from enum import Enum

from clickhouse_connect.driver.exceptions import ClickHouseError

from runstream.errors import InvalidField, RunstreamError, StorageUnavailable


class Outcome(Enum):
    """What to do after a failed statement."""

    OVERLOADED = "overloaded"
    """Back off and slow clients down."""
    UNAVAILABLE = "unavailable"
    """The server or its replica is in trouble: try again, the same rows."""
    UNKNOWN = "unknown"
    """It may have been executed: try again, the same rows, until there is an answer."""
    PERMANENT = "permanent"
    """It will fail every time."""


# TIMEOUT_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES, NO_FREE_CONNECTION, MEMORY_LIMIT_EXCEEDED, TOO_MANY_PARTS
_OVERLOADED = {159, 202, 203, 241, 252}
# FILE_DOESNT_EXIST, READONLY, TABLE_IS_READ_ONLY, TOO_FEW_LIVE_REPLICAS, SYSTEM_ERROR, KEEPER_EXCEPTION, and
# NOT_ENOUGH_SPACE (243): a full disk may get room again
_UNAVAILABLE = {107, 164, 242, 243, 285, 425, 999}
# UNEXPECTED_END_OF_FILE, SOCKET_TIMEOUT, NETWORK_ERROR, UNKNOWN_STATUS_OF_INSERT, QUERY_WAS_CANCELLED,
# SESSION_IS_LOCKED, QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING
_UNKNOWN = {3, 209, 210, 216, 319, 373, 394}
# What the rows or the schema cannot be: bad casts and texts, unknown names, types, settings, rights
_PERMANENT = {6, 16, 26, 27, 36, 38, 41, 46, 47, 53, 60, 62, 69, 70, 72, 81, 115, 117, 130, 131, 306, 321, 344, 349}
_PERMANENT |= {352, 396, 497, 516, 636}
# The rest is caused by the statement or its data; unknown outcome keeps such an insert alive for ever, so a
# code that ClickHouse gave and that is in no list counts as permanent only for reads.
_CODE = re.compile(r"(?:Code: |error code )(\d+)")


def classify(error: BaseException) -> Outcome:
    """The class of a failure."""
    if isinstance(error, StorageUnavailable):
        return Outcome.UNAVAILABLE
    code = code_of(error)
    if code in _OVERLOADED:
        return Outcome.OVERLOADED
    if code in _UNAVAILABLE:
        return Outcome.UNAVAILABLE
    if code in _PERMANENT:
        return Outcome.PERMANENT
    if code is None and not isinstance(error, (ClickHouseError, OSError)):
        return Outcome.PERMANENT  # our own code could not build these rows, and would not the next time
    return Outcome.UNKNOWN


def read_error(error: BaseException) -> RunstreamError:
    """A failed read as an error for the caller."""
    code = code_of(error)
    if code in (159, 160):
        return InvalidField("request", "takes too long", next_step="ask for fewer runs, keys or steps")
    if code in (241, 307, 396):
        return InvalidField("request", "reads too much", next_step="ask for fewer runs, keys or steps")
    return StorageUnavailable("ClickHouse cannot answer now", next_step="try again in a moment")


def code_of(error: BaseException) -> int | None:
    """ClickHouse's error code, or None if the failure is not the engine's."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    match = _CODE.search(str(error))
    return int(match[1]) if match else None
