"""Runs a target's law: under atheris, which looks for new branches, or over plain mutations, which any machine can.

A target is a module with ``one(data)``, the law, and ``corpus()``, inputs that are sound.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_ODD = [b"\x00", b"\xff", b"\x80", b"\x7f", b"\xff" * 4, b"\xff" * 8, bytes(8), b"\xed\xa0\x80", b"\\ud800", b"1e999"]


def main(one: Callable[[bytes], None], corpus: Sequence[bytes]) -> None:
    """``--seconds N``: fuzzes that long and ends with 1 at the first input that breaks the law, kept as a file."""
    parser = argparse.ArgumentParser(description="Fuzzes one decoder.")
    parser.add_argument("--seconds", type=int, default=30, help="how long (default: 30)")
    parser.add_argument("--corpus", type=Path, help="keep and extend inputs here (default: a new folder)")
    parser.add_argument("--artifacts", type=Path, default=Path(), help="where an input that breaks the law is kept")
    args = parser.parse_args()
    import atheris  # only for those who fuzz

    with contextlib.ExitStack() as stack:
        folder = args.corpus or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(corpus):
            (folder / f"seed-{number}").write_bytes(data)
        options = [f"-max_total_time={args.seconds}", f"-artifact_prefix={args.artifacts}/", "-max_len=4096"]
        atheris.Setup([sys.argv[0], *options, str(folder)], one)
        atheris.Fuzz()


def mutate(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """A few changes of the kinds that break decoders."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randint(0, len(made))
        kind = rng.randrange(6)
        if kind == 0 and made:
            made[place % len(made)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            made[place : place + rng.randint(1, 8)] = rng.choice(_ODD)
        elif kind == 2:
            del made[place : place + rng.randint(1, 16)]
        elif kind == 3:
            made[place:place] = made[place : place + rng.randint(1, 40)]
        elif kind == 4:
            other = rng.choice(others)
            start = rng.randint(0, len(other))
            made[place:place] = other[start : start + rng.randint(1, 60)]
        else:
            made[place:] = b""
    return bytes(made)


def check(one: Callable[[bytes], None], corpus: Sequence[bytes], *, mutations: int, seed: int) -> None:
    """Holds the law over the corpus and many mutations of it; says which input broke it."""
    rng = random.Random(seed)
    started = time.monotonic()
    inputs = [*corpus, *(mutate(rng.choice(corpus), rng, corpus) for _ in range(mutations))]
    for number, data in enumerate(inputs):
        try:
            one(data)
        except BaseException as error:
            raise AssertionError(f"seed {seed}, input {number} breaks the law: {data.hex()}") from error
    print(f"seed {seed}: {len(inputs)} inputs in {time.monotonic() - started:.1f} s")
