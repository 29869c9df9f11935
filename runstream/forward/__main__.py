"""``python -m runstream.forward RUN_DIR``: the forwarder process, started by ``init()``.

Detached from the training process, so it outlives a killed one. The training process starts another if this
one dies; whoever holds the lock works, the others leave.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from runstream.descriptors import allow_many
from runstream.forward.chain import Forwarder, only_forwarder, open_writers
from runstream.forward.settings import from_environment


def main() -> int:
    """Forwards until there is nothing left; 1 if spools were left behind."""
    allow_many()
    run_dir = Path(sys.argv[1])
    settings = from_environment(run_dir)
    gave_up: dict[str, str] = {}
    # A writer may begin between our last look and the release of the lock, see the lock held and rely on us:
    # so look once more after the release.
    while any(directory.name not in gave_up for directory in open_writers(run_dir)):
        with only_forwarder(run_dir) as is_only:
            if not is_only:
                return 0
            forwarder = Forwarder(settings)
            asyncio.run(forwarder.run())
        gave_up |= forwarder.gave_up
    for name, why in gave_up.items():
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        print(f"{stamp} gave up on {name}: {why}; its spool stays for `runstream sync {run_dir}`", flush=True)
    return 1 if gave_up else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # nothing is left to do; tearing down grpc and numpy would cost 50 ms
