"""Packages that only some values need, asked for when they do."""

from __future__ import annotations

import importlib
from typing import Any

from runstream.errors import RunstreamError


class ExtraMissing(RunstreamError, ImportError):
    """A value needs a package that is not installed."""

    reason = "EXTRA_MISSING"


def pillow(purpose: str) -> Any:
    """The module ``PIL.Image``.

    Args:
        purpose: what it is needed for, the subject of the error's sentence.

    Raises:
        ExtraMissing: Pillow is not installed.
    """
    return _load("PIL.Image", "Pillow", purpose, "pip install 'runstream[media]'")


def pandas(purpose: str) -> Any:
    """The module ``pandas``; otherwise as ``pillow``."""
    return _load("pandas", "pandas", purpose, "pip install pandas")


def plotly_tools(purpose: str) -> Any:
    """The module ``plotly.tools``; otherwise as ``pillow``."""
    return _load("plotly.tools", "plotly", purpose, "pip install plotly")


def _load(module: str, name: str, purpose: str, command: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ExtraMissing(f"{purpose} needs {name}", next_step=command) from error
