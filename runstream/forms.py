"""The forms in which people hand over a config: what has named parts, as a mapping. Loads none of their libraries.

A mapping, argparse.Namespace, absl flags, a dataclass, attrs class or pydantic model, OmegaConf's DictConfig, a file
of YAML or JSON, and as a last resort any object's public attributes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from runstream.errors import InvalidField

DEFAULTS_FILE = "config-defaults.yaml"


def as_mapping(value: object) -> Mapping[str, Any]:
    """A whole config in any of the forms people pass; None is an empty one.

    Raises:
        TypeError: another form.
        InvalidField: a file that is not there or cannot be read.
    """
    if value is None:
        return {}
    if isinstance(value, (str, os.PathLike)):
        return read_file(Path(value))
    found = structured(value)
    if found is None and hasattr(value, "__dict__") and not isinstance(value, (type, types.FunctionType)):
        found = {name: item for name, item in vars(value).items() if not name.startswith("_")}
    if found is None:
        raise TypeError(
            "config must be a mapping, an argparse.Namespace, absl flags, a dataclass, a pydantic model, an OmegaConf "
            f"config or the path of a YAML or JSON file, not {type(value).__name__}"
        )
    return found


def structured(value: object) -> Mapping[str, Any] | None:
    """The named parts of a value, one level deep, or None if it is a plain value."""
    home = type(value).__module__.partition(".")[0]
    if home == "omegaconf":
        return _from_omegaconf(value)
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in value.__attrs_attrs__}
    if hasattr(type(value), "model_fields") and hasattr(value, "model_dump"):
        return {str(name): item for name, item in value}  # type: ignore[attr-defined]  # pydantic's own iteration
    if home == "absl" or (isinstance(value, types.ModuleType) and value.__name__ == "absl.flags"):
        return _from_absl(value)
    if home in ("argparse", "types") and type(value).__name__ in ("Namespace", "SimpleNamespace"):
        return vars(value)
    return None


def read_file(path: Path) -> dict[str, Any]:
    """A config from a file of YAML or JSON: plain, or in wandb's form of ``name: {value: …, desc: …}``.

    Raises:
        InvalidField: the file is not there, cannot be read or holds something else.
    """
    try:
        text = path.read_text("utf-8")
        content = json.loads(text) if path.suffix == ".json" else _yaml(text)
    except (OSError, ValueError) as error:
        raise InvalidField("config", f"{str(path)!r} cannot be read: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InvalidField("config", f"{str(path)!r} must hold names with values, not a {type(content).__name__}")
    is_wandb_form = content.pop("wandb_version", None) is not None or all(map(_is_described, content.values()))
    if is_wandb_form:
        return {str(name): item["value"] if _is_described(item) else item for name, item in content.items()}
    return {str(name): item for name, item in content.items()}


def chosen(config: Mapping[str, Any], include: list[str] | None, exclude: list[str] | None) -> Mapping[str, Any]:
    """A config without the keys that are not wanted.

    Raises:
        InvalidField: both lists are given.
    """
    if include and exclude:
        raise InvalidField("config_exclude_keys", "cannot be given together with config_include_keys")
    if include:
        return {key: value for key, value in config.items() if key in include}
    return {key: value for key, value in config.items() if key not in (exclude or ())}


def _is_described(item: object) -> bool:
    return isinstance(item, dict) and "value" in item and set(item) <= {"value", "desc"}


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise ValueError("PyYAML is not installed; do `pip install pyyaml`, or use a .json file") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _from_omegaconf(value: object) -> Mapping[str, Any] | None:
    from omegaconf import DictConfig, OmegaConf  # its own: the value comes from it

    if not isinstance(value, DictConfig):
        return None
    try:
        found = OmegaConf.to_container(value, resolve=True, throw_on_missing=False)
    except Exception:  # an interpolation that has no answer here: keep it as it is written
        found = OmegaConf.to_container(value, resolve=False, throw_on_missing=False)
    return cast(dict[str, Any], found) if isinstance(found, dict) else None


def _from_absl(value: Any) -> Mapping[str, Any] | None:
    flags = getattr(value, "FLAGS", value)
    if not hasattr(flags, "flag_values_dict"):
        return None
    # The help flags of absl itself are nobody's hyper-parameters, but wandb keeps them, and so do we.
    return {name: flags[name].value for name in flags}
