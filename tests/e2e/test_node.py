"""One forwarder for a node, `runstream sync --follow`: real processes, real kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.asking import ask, points
from support.ports import free_ports
from support.processes import Process, environ, run_cli, run_python, wait_until

# argv: run id. Logs until a line comes on stdin, then finishes and prints its receipt; says how often log() returned.
TRAINER = """
import json, os, sys, threading, time, runstream
run = runstream.init(project="node", id=sys.argv[1], rank=0, attempt=1)
told = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), told.set()), daemon=True).start()
print(run.dir, flush=True)
step = 0
while not told.is_set():
    run.log({"loss": step}, step=step)
    step += 1
    time.sleep(0.005)
run.finish()
print(json.dumps([step, run.receipt.__dict__]), flush=True)
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = str(tmp_path_factory.mktemp("node") / "d")
    server = Process(["-m", "runstream", "server", "--data", data, "--port", "0", "--grpc-port", "0"])
    yield server.url
    assert server.stop() == 0


class Follower:
    """`runstream sync --follow --json`."""

    def __init__(self, folder: Path, url: str) -> None:
        self._out = folder / "follower.out"
        self._err = folder / "follower.err"
        self._folder, self._url = folder, url
        self.start()

    def start(self) -> None:
        with self._out.open("ab") as out, self._err.open("ab") as err:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "runstream", "sync", "--follow", "--json", "runstream-runs"],
                cwd=self._folder,
                env=environ(RUNSTREAM_BASE_URL=self._url),
                stdout=out,
                stderr=err,
            )

    def closed(self) -> dict[str, dict[str, Any]]:
        """Accounts by run, as printed so far."""
        return {each["run"].split("/")[1]: each for each in map(json.loads, self._out.read_text().splitlines())}

    def wait_for(self, *runs: str) -> list[dict[str, Any]]:
        wait_until(lambda: set(runs) <= set(self.closed()), what=f"{runs} closed; {self.said()}")
        return [self.closed()[run] for run in runs]

    def said(self) -> str:
        return self._err.read_text()

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(20)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


@pytest.fixture
def follower(tmp_path: Path, url: str) -> Iterator[Follower]:
    made = Follower(tmp_path, url)
    yield made
    if made.popen.poll() is None:
        made.kill()


class Trainer:
    """A training process that logs until told to finish."""

    def __init__(self, folder: Path, run: str, url: str, **env: str) -> None:
        (folder / "train.py").write_text(TRAINER)
        self.popen = subprocess.Popen(
            [sys.executable, "train.py", run],
            cwd=folder,
            env=environ(RUNSTREAM_BASE_URL=url, **env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.popen.stdout
        self.directory = Path(self.popen.stdout.readline().strip())

    def finish(self) -> tuple[int, dict[str, Any]]:
        """Steps logged and the receipt."""
        output, _ = self.popen.communicate("stop\n", timeout=90)
        steps, receipt = json.loads(output)
        return steps, receipt

    def kill(self) -> None:
        self.popen.kill()
        self.popen.communicate()


def stored(url: str, run: str) -> dict[int, float]:
    return points(url, f"-/node/{run}", ["loss"]).get(("loss", 0), {})


def test_a_process_that_relies_on_the_nodes_forwarder_gets_a_complete_receipt(
    tmp_path: Path, url: str, follower: Follower
) -> None:
    trainers = [Trainer(tmp_path, run, url, RUNSTREAM_FORWARDER="node") for run in ("one", "two")]
    for trainer in trainers:
        run = trainer.directory.parent.name
        wait_until(lambda run=run: stored(url, run), what="points come while it lives")  # type: ignore[misc]
        steps, receipt = trainer.finish()
        assert (receipt["sent"], receipt["stored"], receipt["complete"]) == (steps, steps, True)
        assert stored(url, run) == {step: float(step) for step in range(steps)}
        (account,) = follower.wait_for(run)
        assert (account["sent"], account["stored"]) == (steps, steps)
        assert not (trainer.directory.parent / "forwarder.log").exists(), "it started none of its own"
    assert follower.stop() == 0


def test_it_finishes_what_a_killed_process_and_its_killed_forwarder_left(
    tmp_path: Path, url: str, follower: Follower
) -> None:
    import psutil

    trainer = Trainer(tmp_path, "orphan", url)
    run_dir = str(trainer.directory.parent)

    def forwarder() -> int:
        for process in psutil.process_iter(["cmdline"]):
            if (process.info["cmdline"] or [])[-3:] == ["-m", "runstream.forward", run_dir]:
                return int(process.pid)
        return 0

    wait_until(lambda: stored(url, "orphan"), what="its own forwarder works")
    own = wait_until(forwarder)
    os.kill(trainer.popen.pid, signal.SIGSTOP)  # it must not start another one
    os.kill(own, signal.SIGKILL)
    trainer.kill()
    (account,) = follower.wait_for("orphan")
    assert account["sent"] == account["stored"] == len(stored(url, "orphan"))
    assert ask(url, "GetRun", name="-/node/orphan")["run"]["state"] == "RUN_STATE_CRASHED"


def test_I2_it_is_killed_and_started_again_and_nothing_is_lost_or_doubled(
    tmp_path: Path, url: str, follower: Follower
) -> None:
    trainers = [Trainer(tmp_path, run, url, RUNSTREAM_FORWARDER="node") for run in ("again-1", "again-2")]
    for _ in range(2):
        before = {run: len(stored(url, run)) for run in ("again-1", "again-2")}
        wait_until(lambda: all(len(stored(url, run)) > count for run, count in before.items()), what="points come")  # noqa: B023
        follower.kill()
        follower.start()
    trainers[1].kill()
    steps, receipt = trainers[0].finish()
    assert (receipt["sent"], receipt["stored"], receipt["complete"]) == (steps, steps, True)
    _, dead = follower.wait_for("again-1", "again-2")
    assert dead["sent"] == dead["stored"] == len(stored(url, "again-2"))
    assert stored(url, "again-1") == {step: float(step) for step in range(steps)}
    assert follower.stop() == 0


def spooled(tmp_path: Path, run: str) -> Path:
    """An offline run's directory."""
    tmp_path.mkdir(exist_ok=True)
    code = f"""
import runstream
with runstream.init(project="node", id={run!r}, mode="offline") as run:
    run.log({{"a": 1}})
"""
    run_python(code, environ(), tmp_path)
    return tmp_path / "runstream-runs" / "node" / run


def test_what_is_refused_for_good_is_said_once_and_stops_nobody_else(
    tmp_path: Path, url: str, follower: Follower
) -> None:
    for run, changed in (("bad-name", {"project": "a/b"}), ("bad-file", None)):
        (writer,) = spooled(tmp_path / "elsewhere", run).iterdir()
        identity = json.loads((writer / "writer.json").read_text())
        text = json.dumps(identity | changed) if changed else "{"
        (writer / "writer.json").write_text(text)
        (tmp_path / "runstream-runs" / "node").mkdir(parents=True, exist_ok=True)
        writer.parent.rename(tmp_path / "runstream-runs" / "node" / run)
        wait_until(lambda run=run: run in follower.said(), what="it is said")  # type: ignore[misc]
    spooled(tmp_path, "good")
    follower.wait_for("good")
    assert follower.said().count("bad-name") == 1
    assert "project: contains '/'" in follower.said()
    assert follower.said().count("bad-file") == 1
    assert follower.stop() == 0


def test_it_waits_for_a_server_that_is_away(tmp_path: Path) -> None:
    port, grpc_port = map(str, free_ports(2))
    spooled(tmp_path, "patient")
    follower = Follower(tmp_path, f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: "not sending yet" in follower.said(), what="it says that nobody answers")
        data = str(tmp_path / "d")
        server = Process(["-m", "runstream", "server", "--data", data, "--port", port, "--grpc-port", grpc_port])
        (account,) = follower.wait_for("patient")
        assert account["stored"] == 1
        assert follower.stop() == 0
        assert server.stop() == 0
    finally:
        follower.kill()


def test_without_a_forwarder_on_the_node_the_message_says_what_to_start(tmp_path: Path, url: str) -> None:
    code = """
import json, runstream
with runstream.init(project="node", id="alone", settings={"unreachable_timeout_s": 0.1}) as run:
    run.log({"loss": 1})
print(json.dumps([run.dir, run.receipt.complete]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environ(RUNSTREAM_BASE_URL=url, RUNSTREAM_FORWARDER="node"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    directory, is_complete = json.loads(done.stdout)
    assert not is_complete
    assert f"runstream sync --follow {Path(directory).parents[2]}`" in done.stderr
    assert run_cli("sync", env=environ(RUNSTREAM_BASE_URL=url), cwd=tmp_path).returncode == 0
    assert stored(url, "alone") == {0: 1.0}
