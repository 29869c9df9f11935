"""The forms of a config: what has named parts, whoever made it."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from runstream.documents import Document
from runstream.errors import InvalidField
from runstream.forms import as_mapping, chosen, read_file


@dataclasses.dataclass
class Inner:
    lr: float


@dataclasses.dataclass
class Outer:
    inner: Inner
    sizes: tuple[int, ...]


class Plain:
    def __init__(self) -> None:
        self.a = 1
        self._hidden = 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {}),
        ({"a": 1}, {"a": 1}),
        (argparse.Namespace(a=1), {"a": 1}),
        (types.SimpleNamespace(a=1), {"a": 1}),
        (Inner(0.1), {"lr": 0.1}),
        (Plain(), {"a": 1}),
    ],
)
def test_forms(given: object, expected: dict[str, Any]) -> None:
    assert as_mapping(given) == expected


@pytest.mark.parametrize("given", [[1], 5, print, Inner, (1, 2)])
def test_other_forms_are_named(given: object) -> None:
    with pytest.raises(TypeError, match="config must be a mapping"):
        as_mapping(given)


def test_structured_values_inside_become_sections() -> None:
    document = Document(lambda changed: None)
    document.update(Outer(Inner(0.1), (1, 2)), args=argparse.Namespace(deep=argparse.Namespace(a=1)))
    assert document.inner.lr == 0.1
    assert document.args.deep.a == 1
    assert document["sizes"] == (1, 2)


def test_absl_flags() -> None:
    from absl import flags as flags_module

    values = flags_module.FlagValues()
    flags_module.DEFINE_integer("batch", 32, "", flag_values=values)
    values(["program", "--batch", "64"])
    assert as_mapping(values)["batch"] == 64


def test_omegaconf() -> None:
    import omegaconf

    made = omegaconf.OmegaConf.create({"lr": 0.1, "twice": {"lr": "${lr}"}, "open": "???", "sizes": [1, 2]})
    assert as_mapping(made) == {"lr": 0.1, "twice": {"lr": 0.1}, "open": "???", "sizes": [1, 2]}
    broken = omegaconf.OmegaConf.create({"a": "${nowhere}"})
    assert as_mapping(broken) == {"a": "${nowhere}"}


def test_pydantic() -> None:
    import pydantic

    class Model(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        lr: float = 0.1
        inner: dict[str, int] = pydantic.Field(default={"a": 1})

    assert as_mapping(Model()) == {"lr": 0.1, "inner": {"a": 1}}


def test_attrs() -> None:
    import attr

    made = attr.make_class("Made", ["lr"])(0.1)
    assert as_mapping(made) == {"lr": 0.1}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.yaml", "lr: 0.1\nopt:\n  name: sgd\n", {"lr": 0.1, "opt": {"name": "sgd"}}),
        ("a.yaml", "lr:\n  value: 0.1\n  desc: rate\nsize:\n  value: 3\n", {"lr": 0.1, "size": 3}),
        ("a.yaml", "wandb_version: 1\nlr:\n  value: 0.1\n", {"lr": 0.1}),
        ("a.yaml", "", {}),
        ("a.json", '{"a": {"b": 1}}', {"a": {"b": 1}}),
    ],
)
def test_files(tmp_path: Path, name: str, text: str, expected: dict[str, Any]) -> None:
    (tmp_path / name).write_text(text)
    assert read_file(tmp_path / name) == expected
    assert as_mapping(str(tmp_path / name)) == expected


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "a: ["), ("a.yaml", "- 1"), ("a.json", "{"), ("a.json", "3")])
def test_bad_files_are_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidField, match=name):
        read_file(tmp_path / name)
    with pytest.raises(InvalidField, match="cannot be read"):
        read_file(tmp_path / "missing.yaml")


def test_a_yaml_file_without_pyyaml_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "a.yaml").write_text("a: 1")
    with pytest.raises(InvalidField, match="pip install pyyaml"):
        read_file(tmp_path / "a.yaml")


def test_keys_are_chosen() -> None:
    assert chosen({"a": 1, "b": 2}, ["a"], None) == {"a": 1}
    assert chosen({"a": 1, "b": 2}, None, ["a"]) == {"b": 2}
    with pytest.raises(InvalidField, match="config_exclude_keys"):
        chosen({}, ["a"], ["b"])
