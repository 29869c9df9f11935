"""Settings of the ingest service."""

from __future__ import annotations

from dataclasses import dataclass

from runstream.errors import InvalidField


@dataclass(frozen=True)
class Settings:
    """How ingest batches and what it accepts.

    Attributes:
        flush_rows: points at which a batch is inserted at once. ClickHouse reaches its rate at 50,000 to
            100,000 rows an insert.
        insert_rows_max: most points of one insert, taken when more have come while others were being inserted.
            Larger ones make fewer rows of series; a single part may be larger still.
        flush_age_s: longest a point waits for others. Longer makes fewer, larger parts; shorter shows points
            sooner.
        flush_apart_s: least time between two inserts that are not full. Clients may ask to be committed at once, as
            they do at the end of a run; a thousand that end together, or one that always asks, share inserts.
        inserts_at_once: inserts that run side by side; the second one is prepared while the first runs.
        max_pending_bytes: messages in memory, being inserted or waiting to be, over all streams; at the limit
            streams are not read and clients keep spooling. A point takes about 17 bytes.
        max_waiting_bytes_per_api_key: messages that arrived and wait for that, of one API key; one more ends its
            stream.
        max_message_bytes: largest message of a client.
        max_batch_points: most points in one batch.
        max_batches_in_flight: most batches of a stream that wait for their ack.
        max_stream_keys: most different metric keys of a stream.
        max_name_bytes_per_api_key: memory for the names of metric keys that an API key's streams have open.
        max_streams_per_api_key: streams that an API key may have open.
        max_points_per_s_per_api_key: rate at which an API key's streams are read; 0 is no limit.
        idle_timeout_s: a stream of which nothing was heard for so long is ended; clients say something every 10 s.
        retry_first_s: wait before an insert is tried again; doubles to retry_max_s.
        retry_max_s: longest such wait.
    """

    flush_rows: int = 100_000
    insert_rows_max: int = 400_000
    flush_age_s: float = 0.25
    flush_apart_s: float = 0.1
    inserts_at_once: int = 2
    max_pending_bytes: int = 48 << 20
    max_waiting_bytes_per_api_key: int = 64 << 20
    max_message_bytes: int = 64 << 20
    max_batch_points: int = 1_000_000
    max_batches_in_flight: int = 16
    max_stream_keys: int = 500_000
    max_name_bytes_per_api_key: int = 128 << 20
    max_streams_per_api_key: int = 16_384
    max_points_per_s_per_api_key: float = 0.0
    idle_timeout_s: float = 60.0
    retry_first_s: float = 0.1
    retry_max_s: float = 5.0

    def validate(self) -> None:
        """Raises InvalidField naming the first setting that cannot be."""
        for name in ("flush_rows", "insert_rows_max", "max_pending_bytes", "inserts_at_once", "max_batch_points",
                     "max_stream_keys", "max_streams_per_api_key"):  # fmt: skip
            if getattr(self, name) < 1:
                raise InvalidField(name, f"must be at least 1, not {getattr(self, name)}")
        if not 0 < self.flush_age_s <= 60:
            raise InvalidField("flush_age_s", f"must be over 0 and at most 60 s, not {self.flush_age_s}")
        if self.max_message_bytes > self.max_waiting_bytes_per_api_key:
            limit = self.max_waiting_bytes_per_api_key
            raise InvalidField("max_message_bytes", f"must be at most max_waiting_bytes_per_api_key, {limit}")
