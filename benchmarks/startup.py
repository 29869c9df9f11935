"""P10: import, an empty online run, a server's start; the import against a bare interpreter's start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import arguments, say, spread

EMPTY_RUN = """
import time
start = time.perf_counter()
import runstream
runstream.init
imported = time.perf_counter()
run = runstream.init(project="bench", settings={"quiet": True})
begun = time.perf_counter()
run.finish()
assert run.receipt.complete
print(imported - start, begun - imported, time.perf_counter() - imported)
"""


def main() -> None:
    args = arguments(__doc__ or "")
    repeats = 2 if args.smoke else 7
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    ready, imports, inits, runs, ratios = [], [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        for number in range(2 if args.smoke else 3):
            started = time.perf_counter()
            server = subprocess.Popen(
                [sys.executable, "-m", "runstream", "server", "--data", f"{name}/{number}", "--port", "0",
                 "--grpc-port", "0"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ,
            )  # fmt: skip
            assert server.stdout
            base_url = server.stdout.readline().split()[3]
            ready.append(time.perf_counter() - started)
            if number == 0:
                for _ in range(repeats + 1):
                    imported, begun, whole = map(float, _python(EMPTY_RUN, name, environ, base_url).split())
                    imports.append(imported * 1000)
                    inits.append(begun * 1000)
                    runs.append(whole)
                    ratios.append(
                        _seconds("import runstream; runstream.init", name, environ) / _seconds("", name, environ)
                    )
            server.terminate()
            server.wait()
            server.stdout.close()
    say(
        "startup",
        {"P10": "import_ms <= 150, empty_run_s <= 0.6, server_ready_s <= 6"},
        {
            "import_ms": spread(imports[1:], 1),
            "init_ms": spread(inits[1:], 1),
            "empty_run_s": spread(runs[1:]),
            "server_ready_s": spread(ready),
            "ratio_of_import_to_bare_interpreter": spread(ratios[1:]),
        },
    )


def _python(code: str, folder: str, environ: dict[str, str], base_url: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**environ, "RUNSTREAM_BASE_URL": base_url},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _seconds(code: str, folder: str, environ: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environ, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
