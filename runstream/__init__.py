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
import os
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runstream import plot as plot
    from runstream._alert import AlertLevel as AlertLevel
    from runstream._config import Config
    from runstream._init import init as init
    from runstream._init import setup as setup
    from runstream._init import teardown as teardown
    from runstream._metrics import Metric as Metric
    from runstream._module import alert as alert
    from runstream._module import define_metric as define_metric
    from runstream._module import finish as finish
    from runstream._module import log as log
    from runstream._module import login as login
    from runstream._module import mark_preempting as mark_preempting
    from runstream._receipt import Receipt as Receipt
    from runstream._run import Run as Run
    from runstream._settings_forms import Settings as Settings
    from runstream._summary import Summary
    from runstream.as_wandb import install_as_wandb as install_as_wandb
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
    config: Config
    summary: Summary

__version__ = "0.1.0"
__all__ = [
    "AlertLevel",
    "Audio",
    "Histogram",
    "Html",
    "Image",
    "Metric",
    "Molecule",
    "Object3D",
    "Plotly",
    "Receipt",
    "Run",
    "Settings",
    "Table",
    "Video",
    "alert",
    "config",
    "define_metric",
    "finish",
    "init",
    "install_as_wandb",
    "log",
    "login",
    "mark_preempting",
    "plot",
    "run",
    "setup",
    "summary",
    "teardown",
]

_HOMES = {
    "AlertLevel": "runstream._alert",
    "Audio": "runstream.values.audio",
    "Histogram": "runstream.values.histogram",
    "Html": "runstream.values.html",
    "Image": "runstream.values.image",
    "Metric": "runstream._metrics",
    "Molecule": "runstream.values.molecule",
    "Object3D": "runstream.values.object3d",
    "Plotly": "runstream.values.plotly",
    "Receipt": "runstream._receipt",
    "Run": "runstream._run",
    "Settings": "runstream._settings_forms",
    "Table": "runstream.values.table",
    "Video": "runstream.values.video",
    "alert": "runstream._module",
    "define_metric": "runstream._module",
    "finish": "runstream._module",
    "init": "runstream._init",
    "install_as_wandb": "runstream.as_wandb",
    "log": "runstream._module",
    "login": "runstream._module",
    "mark_preempting": "runstream._module",
    "setup": "runstream._init",
    "teardown": "runstream._init",
}
_CURRENT = {"config": "_module", "run": "_init", "summary": "_module"}


def __getattr__(name: str) -> Any:
    if name in _CURRENT:
        return getattr(importlib.import_module(f"runstream.{_CURRENT[name]}"), f"current_{name}")()
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    if name == "plot":
        return importlib.import_module("runstream.plot")  # which also sets it here
    raise AttributeError(f"module 'runstream' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


class _Module(types.ModuleType):
    """Assigning ``runstream.config`` means the current run's; an attribute of the module would hide it for ever."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "config":
            importlib.import_module("runstream._module").assign_config(value)
        else:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Module

if os.environ.get("RUNSTREAM_AS_WANDB", "").lower() in ("1", "true", "yes", "on"):
    from runstream.as_wandb import install_as_wandb

    install_as_wandb()
