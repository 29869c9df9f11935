"""``import wandb`` means runstream: for third-party code that logs to wandb by itself.

    import runstream

    runstream.install_as_wandb()       # or RUNSTREAM_AS_WANDB=1 and ``import runstream``, before wandb is imported
    from lightning.pytorch.loggers import WandbLogger

After it, in this process, ``wandb`` and those of its modules that integrations import are runstream's, ``find_spec``
finds them, and ``importlib.metadata`` knows a distribution of that name. Nothing is written to disk: other processes
install it for themselves. What runstream does not have raises AttributeError, which says so; nothing only seems to
work.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from email.message import Message
from importlib import metadata
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any, cast

from runstream.errors import SetupError

# What integrations compare with; the API is that of this release, as far as docs/wandb-compat.md says.
WANDB_VERSION = "0.31.0"


def install_as_wandb() -> None:
    """Makes ``import wandb`` give runstream in this process. Safe to call twice.

    Raises:
        SetupError: wandb itself was imported before.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    if "wandb" in sys.modules:
        raise SetupError(
            "wandb was imported before runstream.install_as_wandb()",
            next_step="call it first, before the imports of what logs to wandb",
        )
    sys.meta_path.insert(0, cast(Any, _Finder()))


def _termwarn(text: str, *args: object, **kwargs: object) -> None:
    print(f"runstream: {text}", file=sys.stderr, flush=True)


def _require(*args: object, **kwargs: object) -> None:
    """Wandb's switch for its own coming features; there is none here to switch."""


def _top() -> dict[str, Any]:
    from runstream._init import attach

    return {
        "__version__": WANDB_VERSION,
        "_attach": attach,
        "require": _require,
        "termerror": _termwarn,
        "termlog": _termwarn,
        "termwarn": _termwarn,
    }


def _run() -> dict[str, Any]:
    from runstream._run import Run

    return {"Run": Run}


def _errors() -> dict[str, Any]:
    from runstream import errors

    return {
        "AuthenticationError": errors.KeyUnknown,
        "CommError": errors.ServerUnreachable,
        "Error": errors.RunstreamError,
        "UsageError": errors.InvalidField,
    }


def _config_util() -> dict[str, Any]:
    from runstream.errors import ConfigError

    return {"ConfigError": ConfigError}


def _lib() -> dict[str, Any]:
    class RunDisabled:
        """The type wandb had for disabled runs before 0.16; ours are runs."""

    return {"RunDisabled": RunDisabled, "config_util": importlib.import_module("wandb.sdk.lib.config_util")}


def _config() -> dict[str, Any]:
    from runstream._config import Config

    return {"Config": Config}


def _summary() -> dict[str, Any]:
    from runstream._summary import Summary

    return {"Summary": Summary}


def _metric() -> dict[str, Any]:
    from runstream._metrics import Metric

    return {"Metric": Metric}


def _settings() -> dict[str, Any]:
    from runstream._settings_forms import Settings

    return {"Settings": Settings}


def _runid() -> dict[str, Any]:
    from runstream._spooled import random_id

    return {"generate_id": random_id}


def _nothing() -> dict[str, Any]:
    return {}


_MODULES: dict[str, Callable[[], dict[str, Any]]] = {
    "wandb": _top,
    "wandb.errors": _errors,
    "wandb.sdk": _nothing,
    "wandb.sdk.lib": _lib,
    "wandb.sdk.lib.config_util": _config_util,
    "wandb.sdk.lib.runid": _runid,
    "wandb.sdk.wandb_config": _config,
    "wandb.sdk.wandb_metric": _metric,
    "wandb.sdk.wandb_run": _run,
    "wandb.sdk.wandb_settings": _settings,
    "wandb.sdk.wandb_summary": _summary,
    "wandb.util": _runid,
    "wandb.wandb_run": _run,
}


class _Wandb(types.ModuleType):
    """The module ``wandb``: runstream's names, looked up each time, since ``run`` and ``config`` change."""

    def __getattr__(self, name: str) -> Any:
        runstream = importlib.import_module("runstream")
        if name in runstream.__all__:
            return getattr(runstream, name)
        raise AttributeError(
            f"runstream has no {name!r} to stand for wandb.{name}; docs/wandb-compat.md lists what there is"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "config":
            importlib.import_module("runstream").config = value  # type: ignore[attr-defined]
        else:
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *importlib.import_module("runstream").__all__})


class _Loader(Loader):
    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return (_Wandb if spec.name == "wandb" else types.ModuleType)(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        vars(module).update(_MODULES[module.__name__]())


class _Distribution(metadata.Distribution):
    """A distribution ``wandb``, for code that asks for its version."""

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        said = Message()
        said["Metadata-Version"] = "2.1"
        said["Name"] = "wandb"
        said["Version"] = WANDB_VERSION
        said["Summary"] = "runstream, installed as wandb in this process"
        return said.as_string()

    def locate_file(self, path: Any) -> Any:
        raise FileNotFoundError(path)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _MODULES:
            return None
        is_package = any(name.startswith(f"{fullname}.") for name in _MODULES)
        return ModuleSpec(fullname, _Loader(), origin="runstream", is_package=is_package)

    def find_distributions(self, context: metadata.DistributionFinder.Context) -> Iterator[metadata.Distribution]:
        if context.name is None or context.name.lower() == "wandb":
            yield _Distribution()
