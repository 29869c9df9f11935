"""Reads a writer's spool from any sequence on, while it grows or after its writer has gone.

Yields what was written in its order, a chunk at a time: rows grouped by key set, and records. What cannot
be read is answered as damage with its count of sequences, never skipped silently. Owns no knowledge of acks.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from runstream.spool.chunk import Chunk, Decoder
from runstream.spool.frame import SEGMENT_HEADER
from runstream.spool.scan import Frames, Stop, scan
from runstream.spool.segments import Segment, Unsound, find_segments, has_file_after, open_segment

__all__ = ["READ_BYTES", "Chunk", "SpoolReader"]

READ_BYTES = 4 << 20
_DOUBTS = 40


class SpoolReader:
    """A position in a writer's segments.

    Args:
        directory: the writer's directory.
        after_seq: sequence after which to begin; what is at or before it is skipped.
    """

    def __init__(self, directory: Path, *, after_seq: int = 0) -> None:
        self.directory = directory
        self._decoder = Decoder(after_seq)
        self._fd = -1
        self._segment = 0
        self._offset = 0
        self._is_damaged = False
        self._doubts = 0
        self._lost_seqs = 0
        self._damaged_bytes = 0
        self._torn_bytes = 0
        self._claimed_seqs = 0
        self._told: set[int] = set()
        self._opened: list[Segment] = []
        self._next_path = ""
        self._seen_bytes = -1
        """Size of the segment when nothing more could be read of it; -1 if that may change without its growing."""

    def has_more(self) -> bool:
        """Whether ``read`` may find something; two stat calls, where ``read`` lists the directory."""
        if self._fd < 0 or self._seen_bytes < 0:
            return True
        has_grown = not self._is_damaged and os.fstat(self._fd).st_size != self._seen_bytes
        return has_grown or os.path.exists(self._next_path)

    @property
    def is_in_doubt(self) -> bool:
        """Whether ``read`` met bytes that make no sense yet; it says damage when they stay so."""
        return 0 < self._doubts < _DOUBTS

    def read(self, *, max_bytes: int = READ_BYTES, is_final: bool = False) -> Chunk | None:
        """Returns the next whole frames, or None if there are none yet. Never blocks.

        Args:
            max_bytes: how much to look at together; more if a single frame is larger.
            is_final: the writer has gone. Ask again while ``is_in_doubt``, then None is the end.

        Raises:
            NewerVersion: there are segments, and all of them are a later runstream's.
        """
        while self._fd >= 0 or self._open_next():
            data, (frames, used, stop) = self._scan(max_bytes)
            if not frames and stop is Stop.TORN and len(data) == max_bytes:
                max_bytes *= 4  # a frame larger than the window
                continue
            if frames:
                self._offset += used
                self._doubts = 0
                chunk = self._decoder.decode(data, frames)
                if chunk.last_seq_inclusive >= chunk.first_seq:
                    return self._with_losses(chunk)
                continue  # all of it is known; what was lost before it is said with what is new
            has_next = self._has_next()
            if stop is Stop.DAMAGED and not self._is_damaged and self._is_certain(has_next):
                self._is_damaged = True
                self._damaged_bytes += max(os.fstat(self._fd).st_size - self._offset, 1)
                if not has_next:
                    return self._lone_damage()
            if not has_next:
                self._seen_bytes = -1 if self.is_in_doubt else self._offset + len(data)
                break
            # A next segment means that this one grows no more; what came between our read and the look at the
            # folder is read before moving on, and a tail that is torn now stays torn.
            if stop is not Stop.DAMAGED and os.fstat(self._fd).st_size > self._offset + len(data):
                continue
            if stop is Stop.TORN:
                self._torn_bytes += len(data) - used
            self._close()
        if not is_final:
            return None
        if self._lost_seqs:  # said by the header of a last segment that holds nothing else
            following = self._decoder.next_new_seq
            return self._with_losses(Chunk(following, following - 1))
        return self._unsound_end()

    def acked_segments(self, acked_seq_inclusive: int) -> list[Path]:
        """Closed segments whose every frame is acked; they may be deleted."""
        self._opened = [each for each in self._opened if each.path.exists()]
        return [
            each.path
            for each, following in itertools.pairwise(self._opened)
            if following.first_seq <= acked_seq_inclusive + 1
        ]

    def finished_segments(self) -> list[Path]:
        """What may be deleted once everything is acked: what was read, and files that never began."""
        _, unsound = find_segments(self.directory)
        return [each.path for each in self._opened] + [each.path for each in unsound if each.is_beginning]

    def close(self) -> None:
        """Closes the open segment."""
        self._close()

    def _scan(self, max_bytes: int) -> tuple[bytes, tuple[list[Frames], int, Stop]]:
        if self._is_damaged:
            return b"", ([], 0, Stop.DAMAGED)
        try:
            data = os.pread(self._fd, max_bytes, self._offset)
        except OSError:  # the disk itself cannot read it
            return b"", ([], 0, Stop.DAMAGED)
        return data, scan(data)

    def _is_certain(self, has_next: bool) -> bool:
        """Damage counts only when it stays so: on some file systems a size shows before its bytes."""
        self._doubts += 1
        return has_next or self._doubts >= _DOUBTS

    def _lone_damage(self) -> Chunk | None:
        """Damage with nothing after it: at least one sequence is lost, and more if a next segment says so."""
        damaged, self._damaged_bytes = self._damaged_bytes, 0
        if self._decoder.next_seq + self._claimed_seqs <= self._decoder.after_seq:
            return None  # an ack has gone past it, so it was counted then
        self._claimed_seqs += 1
        following = self._decoder.next_new_seq + self._claimed_seqs
        return Chunk(following, following - 1, damaged_bytes=damaged, lost_seqs=1)

    def _unsound_end(self) -> Chunk | None:
        """What is left when the writer has gone and every sound segment is read."""
        if self._lost_seqs:  # the last segment has no frame that could say it
            end = self._decoder.next_new_seq
            damaged, lost = self._damaged_bytes + self._torn_bytes, self._lost_seqs
            self._damaged_bytes = self._torn_bytes = self._lost_seqs = 0
            return Chunk(end, end - 1, damaged_bytes=damaged, lost_seqs=lost)
        _, unsound = find_segments(self.directory, after=self._segment)
        left = [each for each in unsound if not each.is_beginning and each.number not in self._told]
        if not left or not self._is_certain(has_next=False):
            return None
        self._note_unsound(left)
        return self._lone_damage()

    def _with_losses(self, chunk: Chunk) -> Chunk:
        chunk.lost_seqs = self._lost_seqs
        # A torn end that cost nothing is what a full disk leaves behind.
        chunk.damaged_bytes = self._damaged_bytes + (self._torn_bytes if self._lost_seqs else 0)
        self._lost_seqs = self._damaged_bytes = self._torn_bytes = 0
        return chunk

    def _open_next(self) -> bool:
        if not has_file_after(self.directory, self._segment):
            return False
        sound, unsound = find_segments(self.directory, after=self._segment)
        # A file whose sequences go back is a copy, or another writer's.
        following = next((each for each in sound if each.first_seq >= self._decoder.next_seq), None)
        if following is None:
            if self._segment == 0 and not sound:
                _refuse_newer(unsound)
            return False
        try:
            self._fd = open_segment(following.path)
        except OSError:
            return False
        self._note_unsound([each for each in unsound if each.number < following.number])
        self._lost_seqs += max(0, self._decoder.begin_segment(following.first_seq) - self._claimed_seqs)
        self._claimed_seqs = 0
        self._opened.append(following)
        self._segment, self._offset = following.number, SEGMENT_HEADER.size
        self._is_damaged, self._doubts = False, 0
        self._seen_bytes = -1
        self._next_path = str(self.directory / f"{following.number + 1:08d}.spool")
        return True

    def _note_unsound(self, files: list[Unsound]) -> None:
        for each in files:
            if each.number not in self._told:
                self._told.add(each.number)
                self._damaged_bytes += each.size

    def _has_next(self) -> bool:
        if not has_file_after(self.directory, self._segment):
            return False
        sound, _ = find_segments(self.directory, after=self._segment)
        return any(each.first_seq >= self._decoder.next_seq for each in sound)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _refuse_newer(files: list[Unsound]) -> None:
    """Says so where there is nothing this runstream could read: the spool must stay for one that can."""
    for each in files:
        if each.newer is not None:
            raise each.newer
