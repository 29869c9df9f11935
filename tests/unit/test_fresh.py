"""What is generated is what its source says now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.processes import ROOT, environ

from runstream.service.reference import reference


def test_the_stubs_are_those_of_the_protos(tmp_path: Path) -> None:
    """`poe protos` makes them."""
    protos = sorted((ROOT / "protos").rglob("*.proto"))
    arguments = [f"--{name}_out={tmp_path}" for name in ("python", "grpc_python")]
    arguments += [f"--{name}_out=quiet:{tmp_path}" for name in ("mypy", "mypy_grpc")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'protos'}", *arguments, *map(str, protos)]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(command, env=environ(PATH=path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fresh = {path.name: path.read_text() for path in (tmp_path / "runstream" / "v1").iterdir()}
    kept = {path.name: path.read_text() for path in (ROOT / "runstream" / "v1").glob("*_pb2*")}
    assert sorted(fresh) == sorted(kept)
    assert [name for name in fresh if fresh[name] != kept[name]] == []


def test_the_table_of_metrics_is_the_one_in_the_code() -> None:
    """`python -m runstream.service.reference > docs/metrics.md` makes it."""
    assert (ROOT / "docs" / "metrics.md").read_text() == reference()
