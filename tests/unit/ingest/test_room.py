"""How much is in memory, and who waits."""

from __future__ import annotations

import asyncio

import pytest

from ingest.room import Room
from runstream.errors import QuotaExceeded


async def entering(room: Room, key: str, size: int) -> asyncio.Task[None]:
    task = asyncio.create_task(room.enter((key, 1), size))
    await asyncio.sleep(0)
    return task


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_memory_is_bounded_and_who_waits_goes_on_when_there_is_room() -> None:
    room = Room(30, 100)
    for _ in range(3):
        await room.enter(("a", 1), 10)
    waiting = await entering(room, "a", 10)
    assert (waiting.done(), room.used_bytes, room.waiting_bytes) == (False, 30, 10)
    room.leave(10)
    await waiting
    assert (room.used_bytes, room.waiting_bytes) == (30, 0)


async def test_a_message_larger_than_the_room_enters_when_it_is_empty() -> None:
    room = Room(10, 100)
    await room.enter(("a", 1), 5)
    giant = await entering(room, "a", 50)
    assert not giant.done()
    room.leave(5)
    await giant
    assert room.used_bytes == 50


async def test_I10_one_api_key_cannot_keep_the_others_out() -> None:
    room = Room(10, 1000)
    await room.enter(("loud", 1), 10)
    loud = [await entering(room, "loud", 10) for _ in range(50)]
    quiet = await entering(room, "quiet", 10)
    room.leave(10)
    room.leave(10)
    await settled()
    assert quiet.done()
    assert sum(task.done() for task in loud) == 1
    for task in loud:
        task.cancel()


async def test_I10_what_waits_is_bounded_for_each_api_key_by_itself() -> None:
    room = Room(10, 25)
    await room.enter(("loud", 1), 10)
    waiting = [await entering(room, "loud", 10) for _ in range(2)]
    with pytest.raises(QuotaExceeded, match="25"):
        await room.enter(("loud", 2), 10)
    waiting.append(await entering(room, "quiet", 20))
    assert room.waiting_bytes == 40
    for task in waiting:
        task.cancel()


async def test_a_stream_that_ends_while_it_waits_leaves_no_trace() -> None:
    room = Room(10, 100)
    await room.enter(("a", 1), 10)
    gone = await entering(room, "a", 10)
    in_the_same_moment = await entering(room, "b", 10)
    last = await entering(room, "c", 10)
    gone.cancel()
    await settled()
    room.leave(10)
    in_the_same_moment.cancel()
    await settled()
    assert last.done()
    assert (room.used_bytes, room.waiting_bytes) == (10, 0)
    room.leave(10)
    assert room.used_bytes == 0
