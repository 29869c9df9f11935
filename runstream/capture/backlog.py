"""Output that waits to be made into lines: bounded, the oldest goes first, counted. Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from runstream.capture.line import Stream
from runstream.capture.lines import Assembler

MAX_BYTES = 8 << 20  # a few seconds of a program that prints as fast as it can


class Piece(NamedTuple):
    """Output as it was read."""

    stream: Stream
    data: bytes
    time_us: int


class Backlog:
    """Pieces in their order. Guarded by its owner's lock."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._pieces: deque[Piece] = deque()
        self._bytes = 0
        self._lost_lines = 0
        self._lost_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def put(self, piece: Piece) -> None:
        """Adds a piece; the oldest ones make room for it."""
        self._pieces.append(piece)
        self._bytes += len(piece.data)
        while self._bytes > self._max_bytes:
            old = self._pieces.popleft()
            self._bytes -= len(old.data)
            self._lost_bytes += len(old.data)
            self._lost_lines += old.data.count(b"\n")

    def take(self, max_bytes: int) -> Batch:
        """Returns the oldest pieces, about ``max_bytes`` of them and at least one, and what was lost before."""
        pieces: list[Piece] = []
        size = 0
        while self._pieces and (not pieces or size < max_bytes):
            piece = self._pieces.popleft()
            pieces.append(piece)
            size += len(piece.data)
        self._bytes -= size
        batch = Batch(self._lost_lines, self._lost_bytes, pieces)
        self._lost_lines = self._lost_bytes = 0
        return batch


class Batch(NamedTuple):
    """What was lost, then pieces that come after it."""

    lost_lines: int
    lost_bytes: int
    pieces: list[Piece]

    def feed(self, assembler: Assembler, now_us: int) -> None:
        """Hands it on."""
        if self.lost_bytes:
            assembler.lost(self.lost_lines, self.lost_bytes, now_us)
        for piece in self.pieces:
            assembler.feed(*piece)
