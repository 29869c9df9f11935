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
    from runstream import plot as plot
    from runstream._module import finish as finish
    from runstream._module import init as init
    from runstream._module import log as log
    from runstream._module import login as login
    from runstream._run import Receipt as Receipt
    from runstream._run import Run as Run
    from runstream.documents import Document
    from runstream.settings import Settings as Settings
    from runstream.values.audio import Audio as Audio
    from runstream.values.histogram import Histogram as Histogram
    from runstream.values.html import Html as Html
    from runstream.values.image import Image as Image
    from runstream.values.molecule import Molecule as Molecule
    from runstream.values.object3d import Object3D as Object3D
    from runstream.values.plotly import Plotly as Plotly
    from runstream.values.table import Table as Table
    from runstream.values.video import Video as Video

    run: Run | None
    config: Document
    summary: Document

__version__ = "0.1.0"
__all__ = [
    "Audio",
    "Histogram",
    "Html",
    "Image",
    "Molecule",
    "Object3D",
    "Plotly",
    "Receipt",
    "Run",
    "Settings",
    "Table",
    "Video",
    "config",
    "finish",
    "init",
    "log",
    "login",
    "plot",
    "run",
    "summary",
]

_HOMES = {
    "Audio": "runstream.values.audio",
    "Histogram": "runstream.values.histogram",
    "Html": "runstream.values.html",
    "Image": "runstream.values.image",
    "Molecule": "runstream.values.molecule",
    "Object3D": "runstream.values.object3d",
    "Plotly": "runstream.values.plotly",
    "Receipt": "runstream._run",
    "Run": "runstream._run",
    "Settings": "runstream.settings",
    "Table": "runstream.values.table",
    "Video": "runstream.values.video",
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
    if name == "plot":
        return importlib.import_module("runstream.plot")  # which also sets it here
    raise AttributeError(f"module 'runstream' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
