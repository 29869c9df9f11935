"""The errors users and services meet.

    RunstreamError
    ├── InvalidField        a field is missing, malformed or past its limit      permanent
    ├── NotFound            what was named does not exist                        permanent
    ├── Conflict            it exists already, with another content              permanent
    ├── ConfigError         a config value would change that was not meant to    permanent
    ├── SetupError          this process cannot start as it was asked to         permanent
    ├── KeyMissing          no API key where one is needed                       permanent
    ├── KeyUnknown          the API key is not known or was revoked              permanent
    ├── NotAllowed          the key does not reach this entity or action         permanent
    ├── StorageUnavailable  ClickHouse or S3 cannot be reached or is busy        retry
    ├── Stopping            the server is going away                             retry
    ├── Superseded          a newer stream of the same writer is open            retry
    ├── ServerUnreachable   no runstream server answers at an address            retry
    └── QuotaExceeded       a quota or rate limit is reached                     throttle

Each has a stable ``reason`` (an ErrorReason of common.proto without its prefix), says whether the same
call may succeed later, and can carry one line on what to do next. Messages are lower case, without a full
stop, and name the thing, the limit and the value.
"""

from __future__ import annotations

from typing import ClassVar


class RunstreamError(Exception):
    """Anything runstream raises on purpose.

    Args:
        message: what happened, to what.
        next_step: one line on what the reader can do about it.
    """

    reason: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message}; {self.next_step}" if self.next_step else self.message


class InvalidField(RunstreamError, ValueError):
    """A field is missing, malformed or past its limit."""

    reason = "FIELD_INVALID"

    def __init__(self, field: str, message: str, *, next_step: str = "") -> None:
        super().__init__(f"{field}: {message}", next_step=next_step)
        self.field = field


class NotFound(RunstreamError, LookupError):
    """What was named does not exist, or the caller may not know that it does."""

    reason = "NOT_FOUND"


class Conflict(RunstreamError):
    """What was to be made exists with another content."""

    reason = "CONFLICT"


class ConfigError(RunstreamError, ValueError):
    """A config value that is there would get another one, and nobody said that it may."""

    reason = "CONFIG_CHANGED"


class SetupError(RunstreamError):
    """A process cannot start as it was asked to: port, data directory, option."""

    reason = "SETUP"


class KeyMissing(RunstreamError):
    """No API key was given where one is needed."""

    reason = "KEY_MISSING"


class KeyUnknown(RunstreamError):
    """The API key is not known or was revoked."""

    reason = "KEY_UNKNOWN"


class NotAllowed(RunstreamError):
    """The key does not reach this entity, or its role does not allow this."""

    reason = "NOT_ALLOWED"


class StorageUnavailable(RunstreamError):
    """ClickHouse or S3 cannot be reached or is busy; the same call may be made again."""

    reason = "STORAGE_UNAVAILABLE"
    retryable = True


class Stopping(RunstreamError):
    """The server is going away; another one, or the same one later, will answer."""

    reason = "STOPPING"
    retryable = True


class Superseded(RunstreamError):
    """A newer stream of the same writer is open; this one may say nothing more."""

    reason = "SUPERSEDED"
    retryable = True


class ServerUnreachable(RunstreamError):
    """No runstream server answers at an address."""

    reason = "SERVER_UNREACHABLE"
    retryable = True


class QuotaExceeded(RunstreamError):
    """A quota or rate limit is reached; come back after ``retry_after_s`` seconds."""

    reason = "QUOTA"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.retry_after_s = retry_after_s
