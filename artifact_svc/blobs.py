"""Blobs on S3: which are missing, where to put them, whether they are what they claim to be."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from artifact_svc.layout import blob
from runstream.errors import InvalidField
from runstream.store.s3 import PRESIGNED_S, S3
from runstream.v1 import artifact_pb2


class Blobs:
    """The blobs of one bucket.

    Args:
        s3: the bucket.
        lookups_at_once: how many objects are asked for side by side.
    """

    def __init__(self, s3: S3, *, lookups_at_once: int = 16) -> None:
        self._s3 = s3
        self._threads = ThreadPoolExecutor(lookups_at_once, thread_name_prefix="blobs")

    def missing(
        self, entity: str, project: str, entries: Iterable[artifact_pb2.ManifestEntry]
    ) -> list[artifact_pb2.Upload]:
        """Where to put the blobs that are not there, each once."""
        distinct = {entry.sha256: entry for entry in entries}
        sizes = self._sizes(entity, project, distinct)
        uploads = []
        for sha256, entry in distinct.items():
            if sizes[sha256] == entry.size:
                continue
            url, headers = self._s3.presigned_put(blob(entity, project, sha256), entry.size)
            upload = artifact_pb2.Upload(sha256=sha256, url=url, headers=headers)
            upload.expire_time.FromSeconds(int(time.time()) + PRESIGNED_S)
            uploads.append(upload)
        return uploads

    def check_present(self, entity: str, project: str, entries: Iterable[artifact_pb2.ManifestEntry]) -> None:
        """Checks that every blob is there with its size.

        Raises:
            InvalidField: naming the first file whose blob is not.
        """
        listed = list(entries)
        sizes = self._sizes(entity, project, {entry.sha256: entry for entry in listed})
        for index, entry in enumerate(listed):
            size = sizes[entry.sha256]
            if size != entry.size:
                found = "is not there" if size is None else f"has {size} bytes, not {entry.size}"
                raise InvalidField(
                    f"entries[{index}]", f"the blob of {entry.path!r} {found}", next_step="upload it first"
                )

    def downloads(
        self, entity: str, project: str, entries: Iterable[artifact_pb2.ManifestEntry]
    ) -> list[artifact_pb2.Download]:
        """URLs to read blobs, each once."""
        downloads = []
        for sha256 in dict.fromkeys(entry.sha256 for entry in entries):
            url = self._s3.presigned_get(blob(entity, project, sha256))
            download = artifact_pb2.Download(sha256=sha256, url=url)
            download.expire_time.FromSeconds(int(time.time()) + PRESIGNED_S)
            downloads.append(download)
        return downloads

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown()

    def _sizes(self, entity: str, project: str, sha256s: Iterable[str]) -> dict[str, int | None]:
        def size(sha256: str) -> int | None:
            head = self._s3.head(blob(entity, project, sha256))
            return None if head is None else head.size

        names = list(sha256s)
        return dict(zip(names, self._threads.map(size, names), strict=True))
