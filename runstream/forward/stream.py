"""One Publish stream: open, send, hear acks. Knows messages, not spools.

A stream is for one writer and one connection; when it breaks it is thrown away and everything after the
last ack is sent again on a new one, perhaps to another server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2

from runstream.endpoints import Endpoints
from runstream.v1 import ingest_pb2, ingest_pb2_grpc, record_pb2
from runstream.wire import enum_name

MAX_MESSAGE_BYTES = 64 << 20
_OPEN_TIMEOUT_S = 10.0


class StreamEnded(Exception):
    """The stream is over: broken, refused or drained.

    ``code`` is None if the server ended it politely; it asks not to come back before ``retry_after_s``.
    """

    def __init__(self, code: grpc.StatusCode | None, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after_s = retry_after_s
        self.is_permanent = code in (
            grpc.StatusCode.UNAUTHENTICATED,
            grpc.StatusCode.PERMISSION_DENIED,
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.UNIMPLEMENTED,
        )


def open_channel(endpoints: Endpoints) -> grpc.aio.Channel:
    """A channel to an ingest service; shared by all streams of a forwarder."""
    options = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),  # a vanished server is noticed though nothing is sent
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),  # what gRPC 1.85 really waits for the answer, by default 60 s
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),  # our own backoff decides, not the channel's
        # Where a name stands for several servers, each stream goes to the next of them.
        ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ]
    if endpoints.is_secure:
        return grpc.aio.secure_channel(endpoints.grpc, grpc.ssl_channel_credentials(), options=options)
    return grpc.aio.insecure_channel(endpoints.grpc, options=options)


class PublishStream:
    """An open stream of one writer.

    Args:
        channel: where to.
        api_key: sent as the call's metadata.
        on_ack: called with the acked sequence.
        on_refusal: called with a refusal's fields.
        opening: how many streams may be opened at once: thousands would time each other out.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        api_key: str,
        on_ack: Callable[[int], None],
        on_refusal: Callable[[Mapping[str, Any]], None],
        opening: asyncio.Semaphore,
    ) -> None:
        metadata = (("authorization", f"Bearer {api_key}"),) if api_key else ()
        self._call = ingest_pb2_grpc.IngestServiceStub(channel).Publish(metadata=metadata)
        self._on_ack = on_ack
        self._on_refusal = on_refusal
        self._opening = opening
        self._listener: asyncio.Task[None] | None = None
        self.opened = ingest_pb2.Opened()
        self.heard = asyncio.Event()
        self.ended: StreamEnded | None = None
        self.pace_until = 0.0

    async def open(self, message: ingest_pb2.Open) -> None:
        """Opens the writer and waits for the server's word.

        Raises:
            StreamEnded: the server refused, or could not be reached.
        """
        try:
            async with self._opening, asyncio.timeout(_OPEN_TIMEOUT_S):
                await self._write(ingest_pb2.PublishRequest(open=message))
                answer = await self._call.read()
        except TimeoutError:
            self._call.cancel()
            raise StreamEnded(None, f"server did not answer within {_OPEN_TIMEOUT_S:.0f} s") from None
        except grpc.aio.AioRpcError as error:
            raise _ended(error.code(), error.details(), error.trailing_metadata()) from error
        if not isinstance(answer, ingest_pb2.PublishResponse) or not answer.HasField("opened"):
            raise await self._end()
        self.opened = answer.opened
        self._listener = asyncio.create_task(self._listen())

    async def send(self, batch: ingest_pb2.Batch) -> None:
        """Sends a batch; waits while flow control or the server's pace hold it back."""
        wait_s = self.pace_until - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await self._write(ingest_pb2.PublishRequest(batch=batch))

    async def heartbeat(self, time_us: int, so_far: record_pb2.Receipt) -> None:
        """Says that the writer lives, and its account."""
        await self._write(ingest_pb2.PublishRequest(heartbeat=ingest_pb2.Heartbeat(time_us=time_us, so_far=so_far)))

    async def wait(self, timeout_s: float) -> None:
        """Waits until something is heard, at most so long. Raises StreamEnded once the stream is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.heard.wait()
        except TimeoutError:
            pass
        self.heard.clear()
        if self.ended is not None:
            raise self.ended

    async def close(self) -> None:
        """Ends the stream without waiting for anything that is in flight."""
        self._call.cancel()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def _write(self, request: ingest_pb2.PublishRequest) -> None:
        if self.ended is not None:
            raise self.ended
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise await self._end() from None

    async def _listen(self) -> None:
        try:
            while isinstance(answer := await self._call.read(), ingest_pb2.PublishResponse):
                self._hear(answer)
        except grpc.aio.AioRpcError:
            pass  # its status is read below
        self.ended = await self._end()
        self.heard.set()

    def _hear(self, answer: ingest_pb2.PublishResponse) -> None:
        kind = answer.WhichOneof("message")
        if kind == "ack":
            self._on_ack(answer.ack.acked_seq_inclusive)
        elif kind == "refusal":
            refusal = answer.refusal
            self._on_refusal(
                {
                    "last_seq": refusal.last_seq_inclusive,
                    "reason": enum_name(record_pb2.RefusalReason, refusal.reason, "REFUSAL_REASON_"),
                    "field": refusal.field,
                    "message": refusal.message,
                    "count": refusal.count,
                }
            )
        elif kind == "pace":
            self.pace_until = asyncio.get_running_loop().time() + answer.pace.delay_ms / 1000
        elif kind == "drain":
            # What is in flight is still acked on this stream; nothing new goes out on it.
            self.draining = True
        self.heard.set()

    draining = False

    async def _end(self) -> StreamEnded:
        try:
            async with asyncio.timeout(1.0):
                code, details = await self._call.code(), await self._call.details()
                trailing = await self._call.trailing_metadata()
        except TimeoutError:
            self._call.cancel()
            return StreamEnded(None, "stream broke")
        if code is grpc.StatusCode.OK:
            return StreamEnded(None, "server ended the stream")
        return _ended(code, details, trailing)


def _ended(code: grpc.StatusCode, details: str | None, trailing: Iterable[tuple[str, str | bytes]]) -> StreamEnded:
    retry_after_s = 0.0
    for name, value in trailing:
        if name == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    retry_after_s = info.retry_delay.ToTimedelta().total_seconds()
    return StreamEnded(code, details or str(code), retry_after_s)
