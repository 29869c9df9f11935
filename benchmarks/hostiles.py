"""Clients that no sound SDK would be, each at a pace, in a process of their own, until stdin ends.

``python -m benchmarks.hostiles GRPC_ADDRESS IDLE_STREAMS``:

- messages past the limit, one after the other;
- a million distinct keys on one stream, 50,000 a batch;
- streams that are opened and never say anything;
- a stream that sends what it has sent, is ended for it, and comes again with the same;
- bytes that are no message.

At the end it says what it has done.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter

import grpc.aio

from benchmarks.publishers import batch, open_message, publish_call
from runstream.v1 import ingest_pb2, record_pb2

_GIANT = bytes(80 << 20)
_KEYS_A_BATCH = 50_000


async def giants(channel: grpc.aio.Channel, done: Counter[str]) -> None:
    while True:
        call = publish_call(channel)
        await _say(call, open_message("giant", 0), _GIANT)
        done["giant_messages"] += 1
        await asyncio.sleep(0.5)


async def many_keys(channel: grpc.aio.Channel, done: Counter[str]) -> None:
    call = publish_call(channel)
    await call.write(open_message("keys", 0))
    await call.read()
    for number in range(20):
        first = number * _KEYS_A_BATCH
        ids = range(first + 1, first + _KEYS_A_BATCH + 1)
        block = record_pb2.Block(
            key_ids=ids, steps=[number], timestamps_ms=[1_700_000_000_000], values=[0.5] * len(ids), seq_offsets=[0]
        )
        keys = [ingest_pb2.KeyDefinition(id=each, key=f"no/two/{each}/are/alike") for each in ids]
        message = ingest_pb2.Batch(
            first_seq=number + 1, last_seq_inclusive=number + 1, new_keys=keys, blocks=[block], urgent=True
        )
        await call.write(ingest_pb2.PublishRequest(batch=message).SerializeToString())
        await call.read()
        done["distinct_keys"] += _KEYS_A_BATCH
        await asyncio.sleep(0.2)


async def idle(channel: grpc.aio.Channel, number: int, done: Counter[str]) -> None:
    call = publish_call(channel)
    await call.write(open_message("idle", number))
    await call.read()
    done["idle_streams"] += 1
    await call.read()


async def replays(channel: grpc.aio.Channel, done: Counter[str]) -> None:
    message = batch(0, 100, 10)
    while True:
        await _say(publish_call(channel), open_message("replay", 0), message, message)
        done["replays"] += 1
        await asyncio.sleep(0.05)


async def noise(channel: grpc.aio.Channel, done: Counter[str]) -> None:
    while True:
        await _say(publish_call(channel), open_message("noise", 0), b"\xff" * 4096)
        done["noise"] += 1
        await asyncio.sleep(0.05)


async def _say(call: grpc.aio.StreamStreamCall, *messages: bytes) -> None:
    """Sends messages and hears what is answered, to the end of the call."""
    try:
        for message in messages:
            await call.write(message)
        await call.done_writing()
        while isinstance(await call.read(), ingest_pb2.PublishResponse):
            pass
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass  # what a server should answer to these


async def _until_stdin_ends(address: str, idle_streams: int) -> Counter[str]:
    done: Counter[str] = Counter()
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        tasks = [asyncio.create_task(each(channel, done)) for each in (giants, many_keys, replays, noise)]
        tasks += [asyncio.create_task(idle(channel, number, done)) for number in range(idle_streams)]
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        done["broken"] += sum(isinstance(each, grpc.aio.AioRpcError) for each in ended)
    return done


def main() -> None:
    print(json.dumps(asyncio.run(_until_stdin_ends(sys.argv[1], int(sys.argv[2])))), flush=True)


if __name__ == "__main__":
    main()
