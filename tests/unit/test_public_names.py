"""What ``import runstream`` gives, and what it costs: no server package, no numpy, no grpc in the training process."""

from __future__ import annotations

import json
import subprocess
import sys

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
