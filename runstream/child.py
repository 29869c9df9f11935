"""Children that do not outlive their parent, however it ends: a closed terminal, a SIGKILL."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

# Asks the kernel for a signal when the parent is gone (PR_SET_PDEATHSIG), then becomes the program. A wrapper and no
# preexec_fn, which may deadlock in a process with threads.
_WRAPPER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, int(sys.argv[1]))
if os.getppid() != int(sys.argv[2]): sys.exit(1)
os.execv(sys.argv[3], sys.argv[3:])
"""


def tied(command: Sequence[str], by: signal.Signals = signal.SIGKILL) -> list[str]:
    """A command line that does what ``command`` does, and gets the signal when this process is gone.

    The first word must be a path. The kernel ties the child to the thread that starts it: start it from one that
    lives as long as the process.
    """
    return [sys.executable, "-S", "-c", _WRAPPER, str(int(by)), str(os.getpid()), *command]
