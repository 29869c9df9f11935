"""Real SIGKILLs of each process on a point's way: no returned log() is lost, none is stored twice (I1, I2)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.asking import ask, points
from support.processes import Process, environ, run_cli, wait_until

from runstream.errors import NotFound

pytestmark = [pytest.mark.slow, pytest.mark.fault]

# Trains for real, if slowly: a digits network, a row a step. Writes the number of returned log() calls to a
# pipe after each, so that the test knows what was promised at the instant of a kill.
TRAINER = """
import sys, os, json, time, runstream
from runstream.demo.digits import Network, load
data, network = load(), Network(1)
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
with runstream.init(project="kills", id="run", attempt=1, settings={"quiet": True}) as run:
    for step in range(int(sys.argv[2])):
        loss, accuracy, gradient = network.gradient(data.train_x[:32], data.train_y[:32])
        network.step(gradient, 0.05)
        run.log({"loss": loss, "step_again": step}, step=step)
        os.pwrite(out, b"%020d" % (step + 1), 0)
        time.sleep(0.001)
print(json.dumps(run.receipt.__dict__))
"""
STEPS = 6000


class Scene:
    """A server and a trainer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counter = folder / "returned"
        self.server = self._start_server("0", "0")
        port = self.server.url.rsplit(":", 1)[1]
        grpc_port = self.server.first_line.split()[-1].rsplit(":", 1)[1]
        self.ports = (port, grpc_port)
        self.url = self.server.url
        (folder / "trainer.py").write_text(TRAINER)
        self.trainer = subprocess.Popen(
            [sys.executable, "trainer.py", str(self.counter), str(STEPS)],
            cwd=folder,
            env=environ(RUNSTREAM_BASE_URL=self.url),
            stdout=subprocess.PIPE,
            text=True,
        )

    def _start_server(self, port: str, grpc_port: str) -> Process:
        data = str(self.folder / "data")
        return Process(["-m", "runstream", "server", "--data", data, "--port", port, "--grpc-port", grpc_port])

    def restart_server(self) -> None:
        """Kills the server and starts it at the same address."""
        self.server.kill()
        self.server = wait_until(self._try_start, what="the server's port and data are free again")

    def _try_start(self) -> Process | None:
        started = self._start_server(*self.ports)
        if "ready" in started.first_line:
            return started
        started.kill()
        return None

    def returned(self) -> int:
        """How many log() calls returned so far."""
        try:
            return int(self.counter.read_text() or 0)
        except FileNotFoundError:
            return 0

    def found(self) -> dict[int, float]:
        """Steps and values that a query finds."""
        return points(self.url, "local/kills/run", ["step_again"]).get(("step_again", 0), {})

    def forwarder_id(self) -> int:
        """Process id of the forwarder."""
        mark = str(self.folder / "runstream-runs")
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or ())
            if "runstream.forward" in line and mark in line:
                return int(process.pid)
        return 0

    def finish(self) -> dict[str, object]:
        """Lets the trainer end and returns its receipt."""
        output, _ = self.trainer.communicate(timeout=90)
        assert self.trainer.returncode == 0
        receipt: dict[str, object] = json.loads(output)
        return receipt

    def close(self) -> None:
        if self.trainer.poll() is None:
            self.trainer.kill()
        self.trainer.communicate()
        forwarder = self.forwarder_id()
        if forwarder:
            os.kill(forwarder, signal.SIGTERM)
        self.server.stop()


@pytest.fixture
def scene(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Scene(tmp_path)
    wait_until(lambda: made.returned() > 500, what="training is under way")
    yield made
    made.close()


def one_more_stretch(scene: Scene) -> None:
    """Waits until training has gone on for a while."""
    target = min(scene.returned() + 300, STEPS)
    wait_until(lambda: scene.returned() >= target, what="training goes on")


def wait_for_another_forwarder(scene: Scene, before: int) -> None:
    """Waits until the trainer has started a new one."""
    wait_until(lambda: scene.forwarder_id() not in (0, before), what="the trainer starts another forwarder")


def test_I1_a_killed_trainer_loses_no_returned_log(scene: Scene) -> None:
    scene.trainer.kill()
    scene.trainer.wait()
    returned = scene.returned()
    assert 500 < returned < STEPS

    def state() -> bool:
        try:
            run = ask(scene.url, "GetRun", name="local/kills/run")
        except NotFound:
            return False
        return run["run"]["state"] == "RUN_STATE_CRASHED" and all(w.get("complete") for w in run["writers"])

    wait_until(state, what="the forwarder closes the account of a dead writer")
    found = scene.found()
    # The last call may have been killed after its write and before it was counted.
    assert len(found) in (returned, returned + 1)
    assert found == {step: float(step) for step in range(len(found))}


def test_I2_a_killed_forwarder_loses_and_doubles_nothing(scene: Scene) -> None:
    for _ in range(3):
        before = wait_until(scene.forwarder_id, what="a forwarder works")
        os.kill(before, signal.SIGKILL)
        wait_for_another_forwarder(scene, before)
        one_more_stretch(scene)
    receipt = scene.finish()
    assert (receipt["sent"], receipt["stored"], receipt["refused"], receipt["gaps"]) == (2 * STEPS, 2 * STEPS, 0, 0)
    assert scene.found() == {step: float(step) for step in range(STEPS)}


def test_I2_a_killed_server_loses_and_doubles_nothing(scene: Scene) -> None:
    for _ in range(2):
        scene.restart_server()
        one_more_stretch(scene)
    receipt = scene.finish()
    assert (receipt["sent"], receipt["stored"], receipt["refused"], receipt["gaps"]) == (2 * STEPS, 2 * STEPS, 0, 0)
    assert scene.found() == {step: float(step) for step in range(STEPS)}


def test_a_trainer_and_its_forwarder_killed_together_leave_a_spool_that_sync_sends(scene: Scene) -> None:
    forwarder = wait_until(scene.forwarder_id)
    scene.trainer.kill()
    scene.trainer.wait()
    os.kill(forwarder, signal.SIGKILL)
    wait_until(lambda: scene.forwarder_id() == 0)
    returned = scene.returned()
    done = run_cli("sync", "--json", env=environ(RUNSTREAM_BASE_URL=scene.url), cwd=scene.folder)
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert receipt["gaps"] == 0
    found = scene.found()
    assert len(found) in (returned, returned + 1)
    assert found == {step: float(step) for step in range(len(found))}


def test_I4_a_full_disk_drops_with_a_count_and_training_goes_on(tmp_path: Path) -> None:
    # A limit on file size is a full disk as the writer sees it: write() fails or comes back short.
    code = """
import json, resource, runstream
run = runstream.init(project="full", mode="offline", settings={"quiet": True})
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
for step in range(2000):
    run.log({"loss": step})
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for step in range(2000, 2100):
    run.log({"loss": step})
run.finish()
print(json.dumps([run.dir, run.receipt.sent]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    directory, sent = json.loads(done.stdout)
    assert sent == 2100
    assert "no space" in done.stderr
    shown = run_cli("spool", "show", directory, "--json", env=environ(), cwd=tmp_path)
    lines = [json.loads(line) for line in shown.stdout.splitlines() if line.startswith("{")]
    kept = [line["row"]["loss"] for line in lines if "row" in line]
    dropped = sum(int(line["refused"]["count"]) for line in lines if "refused" in line)
    assert len(kept) + dropped == 2100
    assert kept[-100:] == list(range(2000, 2100))
    assert dropped > 100


def test_a_killed_demo_leaves_no_server_behind(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "runstream", "demo", "--data", "data", "--port", "0"],
        cwd=tmp_path, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with demo:
        assert demo.stdout
        assert demo.stdout.readline().startswith("dashboard: ")
        children = psutil.Process(demo.pid).children(recursive=True)
        assert any("server" in child.cmdline() for child in children)
        demo.kill()
    _, living = psutil.wait_procs(children, timeout=60)
    assert [child.cmdline() for child in living] == []
