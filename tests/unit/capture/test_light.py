"""What capturing costs a training process: the standard library, and none of what the pump and the threads load."""

from __future__ import annotations

import json
import subprocess
import sys

from support.processes import environ


def test_a_training_process_loads_little() -> None:
    code = """
import json, sys
import runstream._run
before = set(sys.modules)
from runstream.capture import console, exceptions, metadata
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environ(), capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    ours = {name for name in loaded if name.startswith("runstream")}
    assert {name.split(".")[0] for name in loaded} - {"runstream"} <= sys.stdlib_module_names
    assert ours == {
        f"runstream.capture{name}"
        for name in ("", ".channel", ".console", ".descriptors", ".exceptions", ".line", ".metadata")
    }
