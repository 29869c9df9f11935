"""The one timer: who changed is stirred once, who is silent is looked at ever more rarely."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from runstream.forward.watch import Watch, Watched


@dataclass
class Spool:
    """A spool whose looks are counted."""

    grows: bool = False
    lives: bool = True
    looks: int = 0
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def watched(self) -> Watched:
        now = asyncio.get_running_loop().time()
        return Watched(self.has_more, lambda: self.lives, self.stirred.set, grew_at=now, seen_alive_at=now)

    def has_more(self) -> bool:
        self.looks += 1
        return self.grows


async def test_growth_is_seen_soon_and_said_once() -> None:
    watch, spool = Watch(0.005, 0.02), Spool()
    watched = spool.watched()
    watch.wait_for(watched)
    watch.wait_for(watched)
    spool.grows = True
    await asyncio.wait_for(spool.stirred.wait(), 1)
    looks = spool.looks
    await asyncio.sleep(0.05)
    assert spool.looks == looks == 1


async def test_a_silent_spool_is_looked_at_ever_more_rarely() -> None:
    watch, spool = Watch(0.001, 0.1), Spool()
    watch.wait_for(spool.watched())
    await asyncio.sleep(0.2)
    assert 5 < spool.looks < 60  # every millisecond would be 200


async def test_a_writer_that_has_gone_stirs_without_growth() -> None:
    watch, spool = Watch(0.001, 0.01), Spool(lives=False)
    watched = spool.watched()
    watched.is_ending = True
    watch.wait_for(watched)
    await asyncio.wait_for(spool.stirred.wait(), 1)


async def test_a_spool_joins_while_the_timer_sleeps_for_others() -> None:
    watch, silent, lively = Watch(0.005, 30.0), Spool(), Spool(grows=True)
    long_silent = silent.watched()
    long_silent.grew_at -= 1000
    watch.wait_for(long_silent)
    watch.wait_for(lively.watched())
    await asyncio.wait_for(lively.stirred.wait(), 1)
    assert silent.looks == 0


async def test_a_hurry_finds_what_has_changed_and_keeps_the_rest() -> None:
    watch, silent, ended = Watch(0.005, 30.0), Spool(), Spool()
    for spool in (silent, ended):
        watched = spool.watched()
        watched.grew_at -= 1000
        watch.wait_for(watched)
    ended.grows = True
    watch.hurry()
    assert (ended.stirred.is_set(), silent.stirred.is_set(), silent.looks) == (True, False, 1)
    silent.grows = True
    watch.hurry()
    assert silent.stirred.is_set()


async def test_trouble_with_a_file_stirs_its_reader() -> None:
    def trouble() -> bool:
        raise FileNotFoundError

    watch, stirred = Watch(0.001, 0.01), asyncio.Event()
    watch.wait_for(Watched(trouble, lambda: True, stirred.set))
    await asyncio.wait_for(stirred.wait(), 1)
