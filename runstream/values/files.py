"""Files of rich values beside a writer's spool, where the forwarder finds them."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from runstream.errors import InvalidField
from runstream.values.media import DIGEST, FileEntry

FOLDER = "files"
_DIGEST_CHARS = 20
_CHUNK_BYTES = 1 << 20
# Contents that are remembered so that the next file of the same content is a link to it; 1 MiB of memory.
_MAX_REMEMBERED = 4096


class SpoolFiles:
    """A FileSink that writes under ``<directory>/files/<path>``.

    A file is built under another name and renamed, so a reader sees all of it or nothing. Content that was
    written before, under whatever path, is linked rather than written again. Safe to use from several threads.

    Args:
        directory: the writer's directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory / FOLDER
        self._lock = threading.Lock()
        self._building = itertools.count()
        self._known: OrderedDict[str, Path] = OrderedDict()
        self._unsynced: list[Path] = []

    def add_bytes(self, data: bytes, path: str, media_type: str, /) -> FileEntry:
        """Keeps bytes; see ``FileSink``."""
        return self._add((data,), path)

    def add_file(self, source: Path, path: str, media_type: str, /) -> FileEntry:
        """Keeps a copy of a file; see ``FileSink``.

        Raises:
            InvalidField: there is no such file.
        """
        if not source.is_file():
            raise InvalidField("path", f"there is no file {str(source)!r}")
        return self._add(_chunks(source), path)

    def sync(self) -> None:
        """Makes the files survive a power cut. Called about once a second, as the spool's own ``sync``."""
        with self._lock:
            unsynced, self._unsynced = self._unsynced, []
        for path in unsynced:
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # sent and removed meanwhile
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def _add(self, content: Iterable[bytes], path: str) -> FileEntry:
        _check(path)
        # The digest belongs to the name, so the building place cannot be beside the file: it is above all of them.
        self.directory.mkdir(parents=True, exist_ok=True)
        building = self.directory / f".{os.getpid()}-{next(self._building)}.building"
        try:
            sha256, size = _write(building, content)
            final = path.replace(DIGEST, sha256[:_DIGEST_CHARS])
            self._place(building, self.directory / final, sha256)
        finally:
            building.unlink(missing_ok=True)
        return {"path": final, "sha256": sha256, "size": size}

    def _place(self, building: Path, target: Path, sha256: str) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.resolve().is_relative_to(self.directory.resolve()):
            raise InvalidField("path", f"{str(target)!r} leads out of {str(self.directory)!r}")
        with self._lock:
            known = self._known.get(sha256)
            if known is not None and known != target and _link(known, building):
                self._known.move_to_end(sha256)
            building.replace(target)
            self._known[sha256] = target
            if len(self._known) > _MAX_REMEMBERED:
                self._known.popitem(last=False)
            self._unsynced.append(target)


def _check(path: str) -> None:
    """Refuses a path that leaves its folder, before a byte is written."""
    parts = PurePosixPath(path).parts
    is_inside = bool(parts) and not path.startswith("/") and not {"..", "."} & set(path.split("/"))
    if not is_inside or "\x00" in path or path.count(DIGEST) > 1:
        raise InvalidField("path", f"must be relative and stay inside, not {path!r}")


def _chunks(source: Path) -> Iterator[bytes]:
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _write(target: Path, content: Iterable[bytes]) -> tuple[str, int]:
    """Writes a new file; returns the SHA-256 (hex) and size of what was written."""
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        for chunk in content:
            digest.update(chunk)
            size += file.write(chunk)
    return digest.hexdigest(), size


def _link(known: Path, building: Path) -> bool:
    """Makes ``building`` a second name of ``known``'s content, if that is still there and can be linked."""
    other = building.with_suffix(".link")
    try:
        os.link(known, other)
    except OSError:
        return False  # gone, or a file system without links: the bytes just written are as good
    other.replace(building)
    return True
