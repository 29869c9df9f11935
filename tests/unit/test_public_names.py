"""What ``import runstream`` gives, and what it costs: no server package, no numpy, no grpc in the training process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.processes import environ

import runstream
from runstream.errors import RunstreamError


def test_all_is_sorted_and_every_name_is_there() -> None:
    assert sorted(runstream.__all__) == runstream.__all__
    run_names = {"config", "summary"}  # of a current run
    for name in set(runstream.__all__) - run_names:
        assert hasattr(runstream, name) or name == "run"
    assert set(runstream.__all__) <= set(dir(runstream))


def test_names_of_the_current_run_without_one_say_what_to_do() -> None:
    assert runstream.run is None
    with pytest.raises(RunstreamError, match=r"runstream\.init\(\)"):
        runstream.log({"a": 1})
    with pytest.raises(AttributeError):
        _ = runstream.nothing_like_it  # type: ignore[attr-defined]


def test_rich_values_load_no_library_that_they_do_not_need() -> None:
    """Making one of each from plain data loads numpy where numbers are arrays, and nothing else from outside."""
    code = f"""
import io, json, sys
before = set(sys.modules)
import runstream
def loaded():
    return {{name.split(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names - {{"runstream"}}
names = [getattr(runstream, name) for name in runstream.__all__ if name not in ("config", "summary")]
assert not loaded(), loaded()
runstream.Table(["a"], [[1], ["x"]], allow_mixed_types=True)
runstream.Html("<p>text</p>")
runstream.Molecule(io.StringIO("ATOM"), file_type="pdb")
runstream.Plotly({{"data": []}})
runstream.plot.line(runstream.Table(["a"], [[1]]), "a", "a")
assert not loaded(), loaded()
sys.path.append({str(Path(np.__file__).parents[1])!r})
runstream.Histogram([1, 2])
runstream.Audio([0.0], sample_rate=8000)
runstream.Object3D([[0, 0, 0]])
runstream.Image([[0, 1]])
print(json.dumps(sorted(loaded())))
"""
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environ(), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["numpy"]


def test_a_training_process_loads_only_the_standard_library() -> None:
    code = """
import json, sys, tempfile
before = set(sys.modules)
import runstream
from runstream.errors import RunstreamError
with tempfile.TemporaryDirectory() as folder:
    with runstream.init(project="p", mode="offline", dir=folder, config={"a": 1}) as run:
        run.log({"x": 1})
print(json.dumps(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environ(), capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout)) - {"runstream"}
    assert loaded <= sys.stdlib_module_names
