"""Which stream may write for a writer: the one that opened last.

A forwarder that lost its connection opens a new stream while the old one may still be read here. The old one
is ended before the new one is answered, so that nothing of it is accepted any more.

Between replicas there is no such fence, and none is needed: what an old stream can still say there are frames
of the same spool, which are stored under the same keys with the same versions (docs/design.md).
"""

from __future__ import annotations

from typing import Generic, TypeVar

from runstream.store.records import WriterIdentity

_Stream = TypeVar("_Stream")


class Writers(Generic[_Stream]):
    """The open stream of each writer of this process."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, str], _Stream] = {}

    def claim(self, who: WriterIdentity, stream: _Stream) -> _Stream | None:
        """Makes a stream its writer's and returns the one that was before, which must end."""
        place = (who.place.run_id, who.writer)
        before = self._open.get(place)
        self._open[place] = stream
        return before

    def leave(self, who: WriterIdentity, stream: _Stream) -> None:
        """Lets go of a writer, unless a newer stream has it."""
        place = (who.place.run_id, who.writer)
        if self._open.get(place) is stream:
            del self._open[place]
