"""Which process of which start of the job this is: environ to rank, world size, attempt. Pure.

Sources, first match wins for each: an argument; torchrun (RANK, WORLD_SIZE, TORCHELASTIC_RESTART_COUNT);
Slurm (SLURM_PROCID, SLURM_NTASKS, SLURM_RESTART_COUNT); Open MPI and PMI (OMPI_COMM_WORLD_RANK, PMI_RANK);
Kubernetes indexed jobs (JOB_COMPLETION_INDEX).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runstream.errors import InvalidField

MAX_RANK = 1 << 24
MAX_ATTEMPT = (1 << 32) - 1

_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JOB_COMPLETION_INDEX")
_SIZES = ("WORLD_SIZE", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")


@dataclass(frozen=True)
class Identity:
    """A process of a job."""

    rank: int
    world_size: int
    attempt: int


def detect(
    environ: Mapping[str, str],
    now_s: int,
    *,
    rank: int | None = None,
    world_size: int | None = None,
    attempt: int | None = None,
) -> Identity:
    """Works out who this process is.

    The attempt must be the same for all ranks of one start and higher for later starts. Restart counters are
    that. Without them, a single process takes the time of its start in seconds, and one of several ranks
    takes 0, since clocks of ranks differ: then give ``attempt`` to tell restarts apart.

    Args:
        environ: the process's environment.
        now_s: seconds since 1970.
        rank: given rank, or None.
        world_size: given number of ranks, or None.
        attempt: given attempt, or None.

    Raises:
        InvalidField: a number is given that cannot be.
    """
    found_rank = _first(environ, _RANKS) if rank is None else rank
    found_size = _first(environ, _SIZES) if world_size is None else world_size
    is_one_of_many = (found_rank or 0) > 0 or (found_size or 1) > 1
    if attempt is None:
        attempt = _restarts(environ)
    if attempt is None:
        attempt = 0 if is_one_of_many else now_s
    found = Identity(found_rank or 0, max(found_size or 1, (found_rank or 0) + 1), attempt)
    if not 0 <= found.rank < MAX_RANK:
        raise InvalidField("rank", f"must be 0 to {MAX_RANK - 1}, not {found.rank}")
    if not 0 <= found.attempt <= MAX_ATTEMPT:
        raise InvalidField("attempt", f"must be 0 to {MAX_ATTEMPT}, not {found.attempt}")
    return found


def _restarts(environ: Mapping[str, str]) -> int | None:
    """One number from the restart counters of scheduler and launcher; the scheduler's outranks."""
    scheduler = _first(environ, ("SLURM_RESTART_COUNT",))
    launcher = _first(environ, ("TORCHELASTIC_RESTART_COUNT",))
    if scheduler is None and launcher is None:
        return None
    return (scheduler or 0) * 1000 + (launcher or 0)


def _first(environ: Mapping[str, str], variables: tuple[str, ...]) -> int | None:
    for name in variables:
        value = environ.get(name, "")
        if value.strip().isdigit():
            return int(value)
    return None


def shared_run_id(environ: Mapping[str, str]) -> str:
    """A run id that all ranks of one job find by themselves and no other job has; empty if there is none.

    Slurm's job and step stay through a requeue, as torchrun's rendezvous id does through a restart, so a
    restarted job goes on in its run, as a new attempt.
    """
    if environ.get("SLURM_JOB_ID") and (_first(environ, ("SLURM_NTASKS",)) or 1) > 1:
        return f"slurm-{environ['SLURM_JOB_ID']}-{environ.get('SLURM_STEP_ID', '0')}"
    rendezvous = environ.get("TORCHELASTIC_RUN_ID", "none")
    if rendezvous != "none" and (_first(environ, ("WORLD_SIZE",)) or 1) > 1:
        return f"torchrun-{rendezvous}".replace("/", "-")[:128]
    return ""
