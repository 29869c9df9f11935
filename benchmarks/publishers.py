"""Clients of ingest in a process of their own: many Publish streams, each with batches at its own pace.

``python -m benchmarks.publishers``: each line of stdin is a plan as JSON, the answer is what came of it. Batches
are made once and shared by all streams, so that the figures are the server's and not this process's.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, field

import grpc.aio
import numpy as np

from benchmarks.report import quantile
from runstream.v1 import ingest_pb2, record_pb2

_METHOD = "/runstream.v1.IngestService/Publish"
_OPENING_AT_ONCE = 64


@dataclass(frozen=True)
class Plan:
    """What a process of clients does.

    Attributes:
        address: gRPC address of ingest.
        run: id of the run, or a prefix of the runs' ids if each stream has its own.
        streams: how many.
        first: rank of the first one, or the number of the first run.
        own_runs: each stream is a run of its own, at rank 0.
        batches: batches of each stream.
        rows: rows of a batch.
        keys: keys of a row.
        interval_s: from one batch of a stream to its next, whether acked or not.
        window: most batches of a stream without an ack.
        heartbeat_s: from one heartbeat to the next; 0 sends none.
        hold_s: how long streams stay open after their last ack.
    """

    address: str
    run: str
    streams: int
    first: int = 0
    own_runs: bool = False
    batches: int = 1
    rows: int = 1
    keys: int = 3
    interval_s: float = 0.0
    window: int = 1
    heartbeat_s: float = 0.0
    hold_s: float = 0.0


@dataclass
class Tally:
    """What came of it."""

    acked: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)
    ack_s: list[float] = field(default_factory=list)


def batch(number: int, rows: int, keys: int) -> bytes:
    """Batch ``number`` (from 0) of a stream, on the wire."""
    first = number * rows + 1
    steps = np.arange(first - 1, first - 1 + rows)
    names = [f"key/{index:06d}" for index in range(keys)] if number == 0 else []
    block = record_pb2.Block(
        key_ids=range(1, keys + 1),
        steps=steps.tolist(),
        timestamps_ms=(steps + time.time_ns() // 1_000_000).tolist(),
        values=np.random.default_rng(number).normal(size=rows * keys).astype(np.float32).tolist(),
        seq_offsets=range(rows),
    )
    message = ingest_pb2.Batch(
        first_seq=first,
        last_seq_inclusive=first + rows - 1,
        new_keys=[ingest_pb2.KeyDefinition(id=index + 1, key=name) for index, name in enumerate(names)],
        blocks=[block],
    )
    return ingest_pb2.PublishRequest(batch=message).SerializeToString()


def open_message(run: str, rank: int, world_size: int = 1) -> bytes:
    """The first message of a stream."""
    opened = ingest_pb2.Open(
        project="bench",
        run=run,
        attempt=1,
        rank=rank,
        world_size=world_size,
        writer=f"{run}-{rank}"[-64:],
        host="bench",
        process_id=1,
        started_us=time.time_ns() // 1000,
    )
    return ingest_pb2.PublishRequest(open=opened).SerializeToString()


def publish_call(channel: grpc.aio.Channel) -> grpc.aio.StreamStreamCall:
    """A Publish call that takes bytes."""
    return channel.stream_stream(
        _METHOD, request_serializer=None, response_deserializer=ingest_pb2.PublishResponse.FromString
    )()


async def publish(plan: Plan) -> Tally:
    """Carries out a plan."""
    tally = Tally()
    messages = [batch(number, plan.rows, plan.keys) for number in range(plan.batches)]
    opening = asyncio.Semaphore(_OPENING_AT_ONCE)
    async with grpc.aio.insecure_channel(plan.address) as channel:
        await asyncio.gather(
            *(_stream(channel, plan, index, messages, opening, tally) for index in range(plan.streams))
        )
    return tally


async def _stream(
    channel: grpc.aio.Channel,
    plan: Plan,
    index: int,
    messages: list[bytes],
    opening: asyncio.Semaphore,
    tally: Tally,
) -> None:
    number = plan.first + index
    opened = open_message(f"{plan.run}-{number}", 0) if plan.own_runs else open_message(plan.run, number)
    try:
        async with opening:
            call = publish_call(channel)
            await call.write(opened)
            await call.read()
        writing = asyncio.Lock()  # a call takes one write at a time
        beats = asyncio.create_task(_heartbeats(call, plan, writing)) if plan.heartbeat_s else None
        sent: deque[float] = deque()
        room = asyncio.Semaphore(plan.window)
        hearing = asyncio.create_task(_hear(call, plan, sent, room, tally))
        began = time.perf_counter() + random.random() * plan.interval_s  # streams are not in step
        for place, message in enumerate(messages):
            due = began + place * plan.interval_s
            await asyncio.sleep(due - time.perf_counter())
            await room.acquire()
            sent.append(due if plan.interval_s else time.perf_counter())
            async with writing:
                await call.write(message)
        await hearing
        await asyncio.sleep(plan.hold_s)
        if beats is not None:
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)
        await call.done_writing()
        while isinstance(await call.read(), ingest_pb2.PublishResponse):
            pass
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError, ConnectionError) as error:
        tally.broken.append(repr(error)[:200])


async def _hear(
    call: grpc.aio.StreamStreamCall, plan: Plan, sent: deque[float], room: asyncio.Semaphore, tally: Tally
) -> None:
    """Until all batches are acked. A batch's time counts from when it was due, not from when there was room for it."""
    acked = 0
    try:
        while acked < plan.batches:
            answer = await call.read()
            if not isinstance(answer, ingest_pb2.PublishResponse):
                raise ConnectionError("stream ended")
            if answer.HasField("refusal"):
                tally.refused += answer.refusal.count
            while answer.HasField("ack") and sent and (acked + 1) * plan.rows <= answer.ack.acked_seq_inclusive:
                acked += 1
                tally.acked += plan.rows * plan.keys
                tally.ack_s.append(time.perf_counter() - sent.popleft())
                room.release()
    finally:
        for _ in range(plan.batches):
            room.release()  # whoever waits for room meets the broken stream


async def _heartbeats(call: grpc.aio.StreamStreamCall, plan: Plan, writing: asyncio.Lock) -> None:
    await asyncio.sleep(random.random() * plan.heartbeat_s)
    while True:
        beat = ingest_pb2.Heartbeat(time_us=time.time_ns() // 1000)
        async with writing:
            await call.write(ingest_pb2.PublishRequest(heartbeat=beat).SerializeToString())
        await asyncio.sleep(plan.heartbeat_s)


def main() -> None:
    for line in sys.stdin:
        plan = Plan(**json.loads(line))
        began = time.perf_counter()
        tally = asyncio.run(publish(plan))
        acks = sorted(tally.ack_s) or [0.0]
        answer = {
            "acked": tally.acked,
            "refused": tally.refused,
            "broken": tally.broken[:3],
            "broken_count": len(tally.broken),
            "seconds": time.perf_counter() - began,
            "acks": [round(quantile(acks, part / 1000), 5) for part in range(0, 1001, 2)],
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
