"""``small_disk.py FOLDER SIZE ARGUMENT...``: becomes a Python process for which a folder is a disk of its own.

A tmpfs in a mount namespace of the process: no rights are needed, nobody else sees it, and a full one answers ENOSPC
as any disk does. Tests reach it through the process: ``/proc/ID/root``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def is_available() -> bool:
    """Whether this machine allows mount namespaces to its users."""
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return done.returncode == 0


def disk_of(process_id: int, folder: Path) -> Path:
    """The disk as seen from outside."""
    return Path(f"/proc/{process_id}/root{folder}")


def fill(disk: Path) -> None:
    """Takes all room there is."""
    with (disk / "filler").open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def free(disk: Path) -> None:
    """Gives the room back."""
    (disk / "filler").unlink()


if __name__ == "__main__":
    folder, size, *arguments = sys.argv[1:]
    if os.environ.pop("IS_UNSHARED", ""):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
        os.execv(sys.executable, [sys.executable, *arguments])
    os.environ["IS_UNSHARED"] = "1"
    os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])
