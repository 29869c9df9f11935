"""The fuzz targets hold their laws over their corpus and some thousand mutations; ``poe fuzz`` looks further."""

from __future__ import annotations

import random
from types import ModuleType

import pytest
from fuzz import driver, fuzz_block, fuzz_spool

# Another one each time, and said where a law breaks.
SEED = random.randrange(1 << 32)


@pytest.mark.parametrize("target", [fuzz_spool, fuzz_block], ids=["spool", "block"])
def test_the_law_holds_over_corpus_and_mutations(target: ModuleType) -> None:
    driver.check(target.one, target.corpus(), mutations=2000, seed=SEED)


def test_a_broken_law_is_said_with_seed_and_input() -> None:
    def never(data: bytes) -> None:
        raise ValueError

    with pytest.raises(AssertionError, match=r"seed 5, input 0 breaks the law: [0-9a-f]+"):
        driver.check(never, [b"x"], mutations=1, seed=5)
