"""Blocks to Arrow tables: every point once, sorted; series equal a plain reading of the same points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runstream.store.points import Place, PointBlock, merged, points_table
from runstream.store.series import series_table

KEYS = ["a", "b", "c"]


@st.composite
def blocks(draw: st.DrawFn) -> list[PointBlock]:
    made = []
    for _ in range(draw(st.integers(1, 4))):
        rows = draw(st.integers(1, 5))
        keys = tuple(draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True)))
        steps = draw(st.lists(st.integers(-3, 3), min_size=rows, max_size=rows))
        vers = draw(st.lists(st.integers(1, 1000), min_size=rows, max_size=rows, unique=True))
        flat = draw(st.lists(st.floats(), min_size=rows * len(keys), max_size=rows * len(keys)))
        place = Place(1, draw(st.integers(1, 3)), draw(st.integers(0, 1)), 0)
        made.append(
            PointBlock(place, keys, np.array(steps), np.array(vers) + 10_000, np.array(vers, np.uint64),
                       np.array(flat).reshape(len(keys), rows))
        )  # fmt: skip
    return made


def plain(given_blocks: list[PointBlock]) -> list[tuple[Any, ...]]:
    return [
        (*block.place, key, int(block.steps[row]), int(block.times_ms[row]), int(block.vers[row]),
         repr(float(block.values[index, row])))
        for block in given_blocks
        for index, key in enumerate(block.keys)
        for row in range(len(block.steps))
    ]  # fmt: skip


def of_table(table: Any) -> list[tuple[Any, ...]]:
    columns = table.set_column(table.schema.get_field_index("ts"), "ts", table.column("ts").cast("int64")).to_pylist()
    return [
        (row["project_id"], row["run_id"], row["rank"], row["attempt"], row["key"], row["step"], row["ts"], row["ver"],
         repr(row["value"]))
        for row in columns
    ]  # fmt: skip


@given(blocks())
def test_every_point_is_in_the_table_once_and_sorted_by_run_and_key(given_blocks: list[PointBlock]) -> None:
    for joined in (given_blocks, merged(given_blocks)):
        found = of_table(points_table(joined))
        assert sorted(found) == sorted(plain(given_blocks))
        order = [(row[1], row[4]) for row in found]
        assert order == sorted(order)


@given(blocks())
def test_series_agree_with_a_plain_reading(given_blocks: list[PointBlock]) -> None:
    for row, (block, key) in zip(
        series_table(given_blocks).to_pylist(), [(b, k) for b in given_blocks for k in b.keys], strict=True
    ):
        values = block.values[block.keys.index(key)].tolist()
        points = list(zip(block.steps.tolist(), block.vers.tolist(), values, strict=True))
        assert (row["run_id"], row["key"], row["rank"]) == (block.place.run_id, key, block.place.rank)
        assert (row["min_step"], row["max_step"]) == (min(block.steps), max(block.steps))
        step, ver, value = max(points, key=lambda point: point[:2])
        assert (row["last"]["step"], row["last"]["ver"]) == (step, ver)
        assert row["last"]["value"] == value or math.isnan(value)
        first = min(points, key=lambda point: point[1])
        assert (row["first"]["ver"], row["first"]["step"]) == (first[1], first[0])
        finite = [each for each in values if math.isfinite(each)]
        assert row["min_value"] == (min(finite) if finite else None)
        assert row["max_value"] == (max(finite) if finite else None)
