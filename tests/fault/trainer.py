"""A trainer of the fault suite: its rows follow from rank and step, and it notes how many log() calls have returned.

Run as a script by the tests, imported by them to know what must be stored. Ends by itself, killed or not.
"""

from __future__ import annotations

import os
import struct
import sys
import time

# Bits that a store may get wrong: NaNs of both signs and with a payload, infinities, minus zero, subnormals, the ends
# of the range.
ODD_BITS = (
    0x7FF8000000000000, 0xFFF8000000000000, 0x7FF800000000BEEF, 0x7FF0000000000000, 0xFFF0000000000000,
    0x8000000000000000, 0x0000000000000001, 0x800FFFFFFFFFFFFF, 0x7FEFFFFFFFFFFFFF, 0x0010000000000000,
)  # fmt: skip
_ODD = struct.unpack(f"<{len(ODD_BITS)}d", struct.pack(f"<{len(ODD_BITS)}Q", *ODD_BITS))


def row(rank: int, step: int) -> dict[str, float]:
    """What a rank logs at a step; every tenth row has another key set."""
    made = {"loss": step + rank / 10, "odd": _ODD[(step + rank) % len(_ODD)]}
    return {**made, "rare": -step} if step % 10 == 0 else made


def main(counter: str, project: str, run_id: str, rank: int, steps: int, pause_s: float) -> None:
    """Trains: logs its rows, then finishes."""
    import runstream

    out = os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    run = runstream.init(project=project, id=run_id, rank=rank, world_size=2, attempt=1, settings={"quiet": True})
    for step in range(steps):
        run.log(row(rank, step), step=step)
        os.pwrite(out, b"%020d" % (step + 1), 0)
        if pause_s:
            time.sleep(pause_s)  # the pace of training
    run.finish()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]))
