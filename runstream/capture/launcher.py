"""Who started this process, from its environment: Slurm, torchrun, Open MPI, Kubernetes. Pure.

Only variables named here are kept: an environment is full of secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SLURM = re.compile(
    r"SLURM_(JOB_(ID|NAME|PARTITION|ACCOUNT|USER|NUM_NODES|NODELIST|GPUS)|ARRAY_(JOB|TASK)_ID|CLUSTER_NAME|STEP_ID|NODEID"
    r"|NNODES|NTASKS(_PER_NODE)?|PROCID|LOCALID|CPUS_PER_TASK|GPUS(_ON_NODE|_PER_NODE)?|RESTART_COUNT|SUBMIT_(DIR|HOST))"
)
_TORCHRUN = re.compile(
    r"((LOCAL_|GROUP_|ROLE_)?RANK|(LOCAL_)?WORLD_SIZE|MASTER_(ADDR|PORT)|TORCHELASTIC_(RUN_ID|RESTART_COUNT|MAX_RESTARTS))"
)
_MPI = re.compile(r"OMPI_COMM_WORLD_(RANK|SIZE|LOCAL_RANK)|PMI_(RANK|SIZE)")
_KUBERNETES = re.compile(r"HOSTNAME|POD_(NAME|NAMESPACE|IP)|NODE_NAME|JOB_NAME|JOB_COMPLETION_INDEX")
_DEVICES = re.compile(
    r"(CUDA|NVIDIA|ROCR|HIP)_VISIBLE_DEVICES|CUDA_DEVICE_ORDER|OMP_NUM_THREADS|PYTORCH_CUDA_ALLOC_CONF|XLA_FLAGS|NCCL_\w+"
)

# name, what shows that it is there, which variables
_LAUNCHERS = (
    ("slurm", "SLURM_JOB_ID", _SLURM),
    ("torchrun", "WORLD_SIZE", _TORCHRUN),
    ("mpi", "", _MPI),
    ("kubernetes", "KUBERNETES_SERVICE_HOST", _KUBERNETES),
    ("devices", "", _DEVICES),
)


def read(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Returns the variables of each launcher that is there, by their own names."""
    facts: dict[str, dict[str, str]] = {}
    for launcher, sign, names in _LAUNCHERS:
        if not sign or sign in environ:
            kept = {name: value for name, value in sorted(environ.items()) if names.fullmatch(name)}
            if kept:
                facts[launcher] = kept
    return facts
