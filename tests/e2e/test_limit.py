"""A server that is away for longer than the spool is large: what fits is kept, the rest is counted, then it goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.asking import ask, points
from support.ports import free_ports
from support.processes import Process, environ, run_cli, wait_until

LIMIT = 1 << 20

# Logs more than the limit, says so, waits for a line, then logs slowly until the next line.
TRAINER = """
import json, sys, threading, time, runstream
run = runstream.init(project="limit", id="run", settings={"unreachable_timeout_s": 0.5})
for step in range(50_000):
    run.log({"before": step}, step=step)
print(run.dir, flush=True)
sys.stdin.readline()
told = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), told.set()), daemon=True).start()
step = 0
while not told.is_set():
    run.log({"after": step}, step=step)
    step += 1
    time.sleep(0.005)
run.finish()
print(json.dumps([step, run.receipt.__dict__]), flush=True)
"""


def trainer(cwd: Path, **env: str) -> subprocess.Popen[str]:
    (cwd / "train.py").write_text(TRAINER)
    return subprocess.Popen(
        [sys.executable, "train.py"],
        cwd=cwd,
        env=environ(RUNSTREAM_SPOOL_MAX_BYTES=str(LIMIT), **env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_I3_a_spool_at_its_limit_drops_with_a_count(tmp_path: Path, mode: str) -> None:
    port, grpc_port = map(str, free_ports(2))
    url = f"http://127.0.0.1:{port}"
    process = trainer(tmp_path, RUNSTREAM_BASE_URL=url, RUNSTREAM_MODE=mode)
    assert process.stdout
    assert process.stdin
    directory = Path(process.stdout.readline().strip())
    assert LIMIT / 2 < sum(segment.stat().st_size for segment in directory.glob("*.spool")) <= LIMIT
    server = Process(
        ["-m", "runstream", "server", "--data", str(tmp_path / "d"), "--port", port, "--grpc-port", grpc_port]
    )
    assert server.url == url
    process.stdin.write("go\n")
    process.stdin.flush()
    if mode == "online":
        wait_until(lambda: "after" in ask(url, "ListKeys", project="-/limit").get("keys", []), what="room came back")
    output, said = process.communicate("stop\n", timeout=60)
    assert process.returncode == 0, said
    assert said.count("refused 'spool_max_bytes'") == 1
    assert "1,048,576 bytes" in said
    after, receipt = json.loads(output.splitlines()[-1])
    if mode == "offline":
        synced = run_cli("sync", "--json", env=environ(RUNSTREAM_BASE_URL=url), cwd=tmp_path)
        assert synced.returncode == 0, synced.stderr
        receipt |= json.loads(synced.stdout)
    assert receipt["complete"]
    assert receipt["sent"] == receipt["stored"] + receipt["refused"] == 50_000 + after
    assert [(entry["reason"], entry["field"]) for entry in receipt["refusals"]] == [("DISK_FULL", "spool_max_bytes")]
    assert receipt["refused"] == receipt["refusals"][0]["count"] > 20_000
    if mode == "online":
        found = points(url, "-/limit/run", ["after"])["after", 0]
        assert max(found) == after - 1, "the last ones were logged with room"
    assert server.stop() == 0
