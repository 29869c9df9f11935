"""What happens to parts when ClickHouse is busy, gone, in doubt, or refuses: by a store that fails on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from ingest.commit import Committer
from ingest.part import Outcome, Part
from ingest.settings import Settings
from runstream.store.points import Place, PointBlock


class FailingStore:
    """Stands in for ClickHouse where a failure must come at a chosen insert."""

    def __init__(self, fail: Callable[[str, Any, int], Exception | None]) -> None:
        self._fail = fail
        self.inserts: list[tuple[str, int, str]] = []

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def insert_arrow(self, table: str, rows: Any, *, token: str) -> None:
        self.inserts.append((table, rows.num_rows, token))
        error = self._fail(table, rows, len(self.inserts))
        if error is not None:
            raise error


def parts(values: list[float]) -> tuple[list[Part], list[Outcome | None]]:
    outcomes: list[Outcome | None] = [None] * len(values)

    def made(index: int, value: float) -> Part:
        one = np.array([1], np.int64)
        block = PointBlock(Place(1, index, 0, 0), ("a",), one, one, one.astype(np.uint64), np.array([[value]]))
        return Part(
            f"part-{index}", [block], [], 1, False, ("", 1), 0.0, lambda outcome: outcomes.__setitem__(index, outcome)
        )

    return [made(index, value) for index, value in enumerate(values)], outcomes


def committer(store: FailingStore, slowed: list[float] | None = None) -> Committer:
    settings = Settings(retry_first_s=0.001, retry_max_s=0.002)
    return Committer(store, settings, (slowed if slowed is not None else []).append)  # type: ignore[arg-type]


async def test_points_are_inserted_before_series_and_done_is_said_after_both() -> None:
    store = FailingStore(lambda table, rows, count: None)
    batch, outcomes = parts([1, 2, 3])
    await committer(store).commit(batch)
    assert [(table, rows) for table, rows, _ in store.inserts] == [("points", 3), ("series", 3)]
    assert outcomes == [Outcome(True)] * 3


@pytest.mark.parametrize("text", ["Code: 252. DB::Exception", "Code: 209. DB::Exception", "Code: 242. DB::Exception"])
async def test_what_may_go_well_later_is_tried_again_with_the_same_rows_and_another_token(text: str) -> None:
    store = FailingStore(lambda table, rows, count: DatabaseError(text) if count <= 3 else None)
    batch, outcomes = parts([1, 2])
    await committer(store).commit(batch)
    assert outcomes == [Outcome(True)] * 2
    # An engine killed between noting a token and committing the rows would take the same token for done.
    tokens = [token for table, _, token in store.inserts if table == "points"]
    assert len(set(tokens)) == len(tokens) > 1


async def test_a_broken_connection_is_an_unknown_outcome_and_tried_again() -> None:
    store = FailingStore(lambda table, rows, count: OperationalError("connection broke") if count == 1 else None)
    batch, outcomes = parts([1])
    await committer(store).commit(batch)
    assert outcomes == [Outcome(True)]


async def test_an_overloaded_engine_slows_clients_down() -> None:
    slowed: list[float] = []
    store = FailingStore(lambda table, rows, count: DatabaseError("Code: 252.") if count <= 2 else None)
    batch, _ = parts([1])
    await committer(store, slowed).commit(batch)
    assert len(slowed) == 2


async def test_a_poisonous_part_is_found_and_refused_alone() -> None:
    def fail(table: str, rows: Any, count: int) -> Exception | None:
        is_poisoned = table == "points" and 666.0 in rows.column("value").to_pylist()
        return DatabaseError("Code: 27. DB::Exception: cannot parse") if is_poisoned else None

    batch, outcomes = parts([1, 2, 3, 666, 5, 6, 7])
    await committer(FailingStore(fail)).commit(batch)
    assert [outcome.is_committed for outcome in outcomes if outcome] == [True, True, True, False, True, True, True]
    refused = outcomes[3]
    assert refused is not None
    assert "cannot parse" in refused.message


async def test_trouble_is_shown_while_it_lasts() -> None:
    seen: list[str] = []

    def fail(table: str, rows: Any, count: int) -> Exception | None:
        seen.append(made.trouble)
        return DatabaseError("Code: 242. readonly") if count == 1 else None

    made = committer(FailingStore(fail))
    await made.commit(parts([1])[0])
    assert seen[0] == ""
    assert "242" in seen[1]
    assert made.trouble == ""
