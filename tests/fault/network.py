"""The network between a fleet's processes: a proxy for each address, and random faults on their connections."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping

from support.link import Link
from support.proxy import Proxy

_WEIGHTS = {
    "cut": 30,
    "delay": 12,
    "hold": 12,
    "drop": 8,
    "reorder": 14,
    "lost server": 8,
    "lost client": 6,
    "stale": 10,
}
# HTTP/2 answers before it reads: settings, their ack, headers. After so many, messages were heard.
_ANSWERS_BEFORE_LATE_BYTES = 4


class Network:
    """Random faults on the connections of several proxies.

    Args:
        random: decides.
        hops: proxies by what they lead to.
        counted: told what was done.
    """

    def __init__(self, random: random.Random, hops: Mapping[str, Proxy], counted: Counter[str]) -> None:
        self._random = random
        self._hops = hops
        self._counted = counted
        self._later: list[threading.Timer] = []

    def hit(self) -> None:
        """Does one thing to one connection, if there is any."""
        hop = self._random.choice([hop for hop, proxy in self._hops.items() if proxy.links()] or list(self._hops))
        proxy = self._hops[hop]
        links = proxy.links()
        fault = self._random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if fault == "stale":
            done = self._replay(proxy)
        else:
            done = bool(links) and self._put(fault, hop, self._random.choice(links))
        if done:
            self._counted[f"{hop} {fault}"] += 1

    def lose_a_server_for_good(self, hop: str) -> bool:
        """One client is never told that its server has gone: its own keepalive must find out."""
        links = self._hops[hop].links()
        if links:
            self._random.choice(links).lose_server()
            self._counted[f"{hop} lost server for good"] += 1
        return bool(links)

    def calm(self) -> None:
        """Ends what was to end later, now; what is half-open for good stays so."""
        for timer in self._later:
            if timer.is_alive():
                timer.cancel()
                timer.function(*timer.args)
        for proxy in self._hops.values():
            proxy.deliver_overtaken()
            for link in proxy.links():
                link.release()

    def _put(self, fault: str, hop: str, link: Link) -> bool:
        """Puts a fault on a connection; false if it is yet to be seen whether it comes about."""
        draw = self._random
        if fault == "cut":
            link.cut(is_up=draw.random() < 0.7, after_bytes=draw.randrange(3000), with_reset=draw.random() < 0.5)
        elif fault == "delay":
            link.slow(piece_bytes=draw.randrange(20, 2000), for_s=draw.uniform(0.3, 1.5))
        elif fault == "hold":
            link.hold()
            self._after(draw.uniform(0.2, 1.5), link.release)
        elif fault == "drop":
            link.hold()
            self._after(draw.uniform(0.2, 1.0), link.drop)
        elif fault == "reorder":
            link.hold()
            self._after(draw.uniform(0.1, 0.5), lambda: self._overtake(hop, link))
            return False
        elif fault == "lost server":
            link.lose_server()
            self._after(draw.uniform(0.5, 2.5), link.drop)
        elif fault == "lost client":
            link.lose_client()  # and the server waits: its keepalive is what ends it
        return True

    def _overtake(self, hop: str, link: Link) -> None:
        if self._hops[hop].overtake(link, answers=_ANSWERS_BEFORE_LATE_BYTES):
            self._counted[f"{hop} reorder"] += 1
        else:
            link.release()  # nothing was on its way

    def _replay(self, proxy: Proxy) -> bool:
        recordings = proxy.recordings()
        if recordings:
            proxy.replay(self._random.choice(recordings))
        return bool(recordings)

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        self._later = [timer for timer in self._later if timer.is_alive()]
        timer = threading.Timer(delay_s, action)
        timer.daemon = True
        timer.start()
        self._later.append(timer)
