"""What decoding a batch gives: columns, rows, refusals. Types only."""

from __future__ import annotations

from dataclasses import dataclass, field

from runstream.store.history_values import RichValue
from runstream.store.points import PointBlock
from runstream.store.records import Row
from runstream.v1 import ingest_pb2, record_pb2


@dataclass
class Decoded:
    """What a batch holds."""

    blocks: list[PointBlock] = field(default_factory=list)
    values: list[RichValue] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    refusals: list[ingest_pb2.Refusal] = field(default_factory=list)
    """One for each reason and field, with the sum of its points: so are the rows of ``refusals`` told apart."""
    writer_state: record_pb2.WriterState | None = None
    receipt: record_pb2.Receipt | None = None
    time_us: int = 0

    @property
    def points(self) -> int:
        """Number of values, numbers or not."""
        return sum(block.points for block in self.blocks) + len(self.values)


class Bad(Exception):
    """Something of a batch is refused.

    Args:
        reason: why.
        where: field or key it concerns.
        message: what is wrong and what the limit is.
        count: points that are refused with it, as far as the raiser knows.
    """

    def __init__(self, reason: record_pb2.RefusalReason.ValueType, where: str, message: str, *, count: int = 0) -> None:
        super().__init__(message)
        self.reason, self.field, self.message, self.count = reason, where, message, count
