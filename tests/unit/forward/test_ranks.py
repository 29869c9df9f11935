"""Which GPUs are a rank's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.forward.ranks import GpuFacts, RankFacts, gpus_of_ranks, visible_devices

_GB = 1 << 30


def _gpus(count: int, used: dict[int, dict[int, int]] | None = None) -> list[GpuFacts]:
    return [GpuFacts(str(n), n, f"GPU-{n}abc", (used or {}).get(n, {})) for n in range(count)]


def _rank(rank: int, **environ: str) -> RankFacts:
    return RankFacts(rank, [100 + rank], environ)


def test_a_gpu_is_the_ranks_whose_process_uses_it() -> None:
    ranks = [_rank(8, LOCAL_RANK="0"), _rank(9, LOCAL_RANK="1")]
    gpus = _gpus(4, {3: {108: _GB}, 1: {109: _GB, 555: _GB}})
    assert gpus_of_ranks(gpus, ranks) == {8: ["3", "0", "2"], 9: ["1"]}


def test_a_context_opened_by_accident_does_not_count() -> None:
    used = {0: {100: 40 * _GB, 101: _GB // 2, 102: _GB // 2}, 1: {101: 40 * _GB}, 2: {102: 40 * _GB}}
    assert gpus_of_ranks(_gpus(3, used), [_rank(n) for n in range(3)]) == {0: ["0"], 1: ["1"], 2: ["2"]}


def test_one_process_may_use_many() -> None:
    used = {n: {100: (30 + n) * _GB} for n in range(4)}
    assert gpus_of_ranks(_gpus(4, used), [_rank(0, LOCAL_RANK="0")]) == {0: ["0", "1", "2", "3"]}


def test_children_count_as_their_rank() -> None:
    ranks = [RankFacts(0, [10, 11], {}), RankFacts(1, [20, 21], {})]
    assert gpus_of_ranks(_gpus(2, {0: {21: 1}, 1: {11: 1}}), ranks) == {0: ["1"], 1: ["0"]}


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, ["0", "1", "2", "3"]),
        ({"LOCAL_RANK": "2"}, ["2"]),
        ({"SLURM_LOCALID": "1"}, ["1"]),
        ({"CUDA_VISIBLE_DEVICES": "3"}, ["3"]),
        ({"CUDA_VISIBLE_DEVICES": "3", "LOCAL_RANK": "2"}, ["3"]),
        ({"CUDA_VISIBLE_DEVICES": "2,3", "LOCAL_RANK": "1"}, ["3"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-1a,GPU-2"}, ["1", "2"]),
        ({"CUDA_VISIBLE_DEVICES": "1,-1,2"}, ["1"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"ROCR_VISIBLE_DEVICES": "0"}, ["0"]),
        ({"CUDA_VISIBLE_DEVICES": "9"}, []),
    ],
)
def test_before_anything_is_used_the_environment_tells(environ: dict[str, str], names: list[str]) -> None:
    other = RankFacts(0, [], {"CUDA_VISIBLE_DEVICES": ""})
    assert gpus_of_ranks(_gpus(4), [other, RankFacts(1, [], environ)])[1] == names


def test_a_mig_part_is_named_by_its_uuid() -> None:
    gpus = [*_gpus(2), GpuFacts("0.mig1", 0, "MIG-0-1", {})]
    ranks = [_rank(0, CUDA_VISIBLE_DEVICES="1"), _rank(1, CUDA_VISIBLE_DEVICES="MIG-0-1")]
    assert gpus_of_ranks(gpus, ranks) == {0: ["1", "0"], 1: ["0.mig1"]}


def test_without_ranks_there_is_nothing() -> None:
    assert gpus_of_ranks(_gpus(1), []) == {}
    assert visible_devices({}) is None


@given(
    st.dictionaries(st.integers(0, 7), st.dictionaries(st.integers(100, 104), st.integers(0, 1 << 36))),
    st.lists(st.integers(0, 4), unique=True, min_size=1),
    st.sampled_from([{}, {"LOCAL_RANK": "3"}, {"CUDA_VISIBLE_DEVICES": "0,1,x,7"}]),
)
def test_every_gpu_is_told_by_some_rank(
    used: dict[int, dict[int, int]], ranks: list[int], environ: dict[str, str]
) -> None:
    owned = gpus_of_ranks(_gpus(8, used), [RankFacts(rank, [100 + rank], environ) for rank in ranks])
    assert sorted(owned) == sorted(ranks)
    assert {name for names in owned.values() for name in names} == set("01234567")
