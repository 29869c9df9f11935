"""What a run answers about the fate of what was logged: its receipt in the end, its status before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Receipt:
    """The account of what was logged: ``sent = stored + refused`` and no gaps when ``complete``.

    Attributes:
        sent: values handed to ``log()``.
        stored: values committed to ClickHouse.
        refused: values refused, by this process or the server.
        gaps: frames that were neither; 0 in a sound account.
        complete: whether the account is closed. False when offline or when the server was not reached in time.
        refusals: what was refused: reason, field, message and count.
    """

    sent: int
    stored: int
    refused: int = 0
    gaps: int = 0
    complete: bool = False
    refusals: list[dict[str, Any]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"sent {self.sent:,}, stored {self.stored:,}, refused {self.refused:,}, gaps {self.gaps:,}"


@dataclass(frozen=True)
class RunStatus:
    """How far the sending is.

    Attributes:
        sent: values handed to ``log()``.
        stored: values committed to ClickHouse, as far as acknowledged.
        refused: values refused.
        trouble: what keeps the forwarder from the server, or an empty string.
    """

    sent: int
    stored: int
    refused: int
    trouble: str = ""

    @property
    def pending(self) -> int:
        """Values that wait in the spool."""
        return max(self.sent - self.stored - self.refused, 0)
