"""runstream: experiment tracking for GPU fleets, shaped like wandb.

    import runstream

    with runstream.init(project="digits", config={"lr": 1e-3}) as run:
        for step in range(100):
            run.log({"train/loss": 1 / (step + 1)}, step=step)
    print(run.receipt)

Names are loaded when they are first used, so importing costs little.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runstream._module import finish as finish
    from runstream._module import init as init
    from runstream._module import log as log
    from runstream._module import login as login
    from runstream._run import Receipt as Receipt
    from runstream._run import Run as Run
    from runstream.documents import Document
    from runstream.settings import Settings as Settings

    run: Run | None
    config: Document
    summary: Document

__version__ = "0.1.0"
__all__ = ["Receipt", "Run", "Settings", "config", "finish", "init", "log", "login", "run", "summary"]

_HOMES = {
    "Receipt": "runstream._run",
    "Run": "runstream._run",
    "Settings": "runstream.settings",
    "finish": "runstream._module",
    "init": "runstream._module",
    "log": "runstream._module",
    "login": "runstream._module",
}
_CURRENT = ("run", "config", "summary")


def __getattr__(name: str) -> Any:
    if name in _CURRENT:
        return getattr(importlib.import_module("runstream._module"), f"current_{name}")()
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'runstream' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
