"""Clients that mean no good, beside one that does: it is served as if they were not there (I9, I10)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2
from support.hosting import hosted
from support.writing import acks, batch, open_message, publish

from ingest.server import build
from ingest.settings import Settings
from runstream.service.caller import Role
from runstream.service.host import Addresses
from runstream.service.keys import make_key
from runstream.store.client import Store
from runstream.v1 import ingest_pb2, ingest_pb2_grpc, record_pb2

STREAMS = 1500
SETTINGS = Settings(
    flush_age_s=0.02,
    max_stream_keys=1000,
    max_name_bytes_per_api_key=1 << 20,
    max_streams_per_api_key=STREAMS,
    max_pending_bytes=1 << 20,
    max_message_bytes=1 << 20,
    max_waiting_bytes_per_api_key=4 << 20,
)


class Scene(NamedTuple):
    """A server with keys, and the keys of two tenants."""

    addresses: Addresses
    store: Store
    good: str
    bad: str

    def stored(self, entity: str, run: str) -> int:
        """Points of a run."""
        sql = """SELECT count() FROM points FINAL WHERE (project_id, run_id) IN
                 (SELECT project_id, run_id FROM runs WHERE entity = {entity:String} AND run = {run:String})"""
        return int(self.store.query(sql, {"entity": entity, "run": run})[0][0])


@pytest.fixture(scope="module")
def scene(store: Store) -> Iterator[Scene]:
    keys = [make_key(store, entity, "", Role.WRITER)[0] for entity in ("good", "bad")]
    with hosted([build(store, SETTINGS)], store, allows_keyless=False) as addresses:
        yield Scene(addresses, store, *keys)


class Client:
    """A stream that is spoken by hand."""

    def __init__(self, channel: grpc.aio.Channel, key: str) -> None:
        metadata = (("authorization", f"Bearer {key}"),)
        self.call = ingest_pb2_grpc.IngestServiceStub(channel).Publish(metadata=metadata)

    async def opened(self, run: str, **fields: object) -> Client:
        await self.call.write(open_message(run, **fields))
        answer = await self.call.read()
        assert answer.HasField("opened")
        return self

    async def acked(self, request: ingest_pb2.PublishRequest) -> int:
        await self.call.write(request)
        answer = await self.call.read()
        return int(answer.ack.acked_seq_inclusive)


@pytest.fixture
async def channel(scene: Scene) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(scene.addresses.grpc) as opened:
        yield opened


def good_run_is_served(scene: Scene, run: str, count: int = 20) -> None:
    """Whatever goes on meanwhile."""
    requests = [open_message(run), *(batch(number, [(number, 1.0)]) for number in range(1, count + 1))]
    assert acks(publish(scene.addresses.grpc, requests, key=scene.good))[-1] == count
    assert scene.stored("good", run) == count


async def test_I2_a_stale_stream_cannot_write_after_a_new_one_opened(scene: Scene, channel: grpc.aio.Channel) -> None:
    stale = await Client(channel, scene.good).opened("fenced")
    assert await stale.acked(batch(1, [(1, 1.0)])) == 1
    fresh = await Client(channel, scene.good).opened("fenced")
    assert await fresh.acked(batch(2, [(2, 2.0)])) == 2
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        await stale.call.write(batch(3, [(3, 666.0)]))
    assert await stale.call.code() is grpc.StatusCode.ABORTED
    assert "newer stream" in await stale.call.details()
    assert await fresh.acked(batch(3, [(3, 3.0)])) == 3
    assert scene.stored("good", "fenced") == 3
    (value,) = scene.store.query("SELECT max(value) FROM points WHERE step = 3 AND value = 666")[0]
    assert value == 0


async def test_another_writer_of_the_run_is_not_fenced(scene: Scene, channel: grpc.aio.Channel) -> None:
    one = await Client(channel, scene.good).opened("two", writer="w1", rank=0)
    two = await Client(channel, scene.good).opened("two", writer="w2", rank=1)
    assert await one.acked(batch(1, [(1, 1.0)])) == 1
    assert await two.acked(batch(1, [(1, 1.0)])) == 1


def test_I9_a_key_does_not_reach_another_tenant(scene: Scene) -> None:
    requests = [open_message("theirs", entity="good"), batch(1, [(0, 6.0)])]
    with pytest.raises(grpc.RpcError) as caught:
        publish(scene.addresses.grpc, requests, key=scene.bad)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[attr-defined]
    assert scene.stored("good", "theirs") == 0


def many_keys(first_id: int, count: int, seq: int) -> ingest_pb2.PublishRequest:
    """A batch of one row with as many new keys."""
    numbers = range(first_id, first_id + count)
    block = record_pb2.Block(
        key_ids=numbers, steps=[0], timestamps_ms=[1], seq_offsets=[0], values=[1.0] * count
    )  # fmt: skip
    keys = [ingest_pb2.KeyDefinition(id=number, key=f"key/{number:08d}/{seq}") for number in numbers]
    return ingest_pb2.PublishRequest(
        batch=ingest_pb2.Batch(first_seq=seq, last_seq_inclusive=seq, new_keys=keys, blocks=[block], urgent=True)
    )


def test_I3_keys_past_the_limit_are_refused_and_counted_the_others_are_stored(scene: Scene) -> None:
    answers = publish(scene.addresses.grpc, [open_message("keys"), many_keys(1, 1500, 1)], key=scene.bad)
    (refusal,) = [answer.refusal for answer in answers if answer.HasField("refusal")]
    assert (refusal.reason, refusal.count) == (record_pb2.REFUSAL_REASON_TOO_MANY_KEYS, 500)
    assert "1000" in refusal.message
    assert scene.stored("bad", "keys") == 1000


async def test_I10_a_million_keys_over_many_streams_end_their_own_streams_only(
    scene: Scene, channel: grpc.aio.Channel
) -> None:
    streams = [await Client(channel, scene.bad).opened(f"million-{number}") for number in range(12)]
    ended = []
    for number, stream in enumerate(streams, 1):
        try:
            await stream.acked(many_keys(1, 1000, number))
        except grpc.aio.AioRpcError as error:
            ended.append(error.code())
    assert ended
    assert set(ended) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    good_run_is_served(scene, "beside-a-million-keys")
    for stream in streams:
        stream.call.cancel()


async def test_I10_thousands_of_idle_streams_hold_nobody_up(scene: Scene, channel: grpc.aio.Channel) -> None:
    idle = [await Client(channel, scene.bad).opened(f"idle-{number}") for number in range(STREAMS)]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await Client(channel, scene.bad).opened("one-too-many")
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"{STREAMS} streams" in str(caught.value.details())
    assert retry_delay_s(caught.value) > 0
    await asyncio.to_thread(good_run_is_served, scene, "beside-idle-streams")
    for client in idle:
        client.call.cancel()


def retry_delay_s(error: grpc.aio.AioRpcError) -> float:
    trailing = dict(error.trailing_metadata() or ())
    for detail in status_pb2.Status.FromString(bytes(trailing["grpc-status-details-bin"])).details:
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            return float(info.retry_delay.ToTimedelta().total_seconds())
    return 0.0


async def test_I10_endless_streams_are_held_back_and_others_take_their_turn(
    scene: Scene, channel: grpc.aio.Channel
) -> None:
    async def endless(number: int) -> None:
        client = await Client(channel, scene.bad).opened(f"endless-{number}")
        reader = asyncio.create_task(drained(client))
        rows = [(step, 1.0) for step in range(20_000)]
        for first in itertools.count(1, len(rows)):
            await client.call.write(batch(first, rows))
            assert not reader.done()

    async def drained(client: Client) -> None:
        while await client.call.read() is not grpc.aio.EOF:
            pass

    hostile = [asyncio.create_task(endless(number)) for number in range(6)]
    await asyncio.sleep(0.5)
    for number in range(5):
        await asyncio.to_thread(good_run_is_served, scene, f"beside-endless-{number}")
    assert not any(task.done() for task in hostile)
    for task in hostile:
        task.cancel()
    await asyncio.gather(*hostile, return_exceptions=True)


async def test_a_stream_of_which_nothing_is_heard_is_ended_politely(store: Store) -> None:
    # A living client says something every 10 s, and would reopen.
    with hosted([build(store, Settings(idle_timeout_s=0.2))], store) as addresses:
        async with grpc.aio.insecure_channel(addresses.grpc) as channel:
            for client in (Client(channel, ""), await Client(channel, "").opened("silent")):
                assert await client.call.read() is grpc.aio.EOF
                assert await client.call.code() is grpc.StatusCode.OK
