"""Rank, world size and attempt from each launcher's environment."""

from __future__ import annotations

import pytest

from runstream.errors import InvalidField
from runstream.identity import Identity, detect, shared_run_id


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Identity(0, 1, 1000)),
        ({"RANK": "3", "WORLD_SIZE": "8", "TORCHELASTIC_RESTART_COUNT": "2"}, Identity(3, 8, 2)),
        ({"RANK": "0", "WORLD_SIZE": "8"}, Identity(0, 8, 0)),
        ({"SLURM_PROCID": "5", "SLURM_NTASKS": "16", "SLURM_RESTART_COUNT": "1"}, Identity(5, 16, 1000)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Identity(1, 2, 0)),
        ({"PMI_RANK": "1", "PMI_SIZE": "4"}, Identity(1, 4, 0)),
        ({"JOB_COMPLETION_INDEX": "7"}, Identity(7, 8, 0)),
        ({"RANK": "oops", "SLURM_PROCID": "2", "SLURM_NTASKS": "4"}, Identity(2, 4, 0)),
    ],
)
def test_launchers(environ: dict[str, str], expected: Identity) -> None:
    assert detect(environ, 1000) == expected


def test_arguments_win() -> None:
    found = detect({"RANK": "3", "WORLD_SIZE": "8"}, 1000, rank=1, world_size=2, attempt=9)
    assert found == Identity(1, 2, 9)


@pytest.mark.parametrize(("name", "value"), [("rank", -1), ("rank", 1 << 24), ("attempt", -1), ("attempt", 1 << 32)])
def test_what_cannot_be_is_named(name: str, value: int) -> None:
    with pytest.raises(InvalidField, match=name):
        detect({}, 1000, **{name: value})


def test_ranks_of_one_job_share_a_run_id_and_single_processes_do_not() -> None:
    slurm = {"SLURM_JOB_ID": "42", "SLURM_STEP_ID": "1", "SLURM_NTASKS": "4"}
    assert shared_run_id({**slurm, "SLURM_PROCID": "0"}) == shared_run_id({**slurm, "SLURM_PROCID": "3"}) != ""
    assert shared_run_id({"TORCHELASTIC_RUN_ID": "abc/d", "WORLD_SIZE": "2"}) == "torchrun-abc-d"
    assert shared_run_id({"SLURM_JOB_ID": "42", "SLURM_NTASKS": "1"}) == ""
    assert shared_run_id({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2"}) == ""
