"""How runs begin and end in real processes: exceptions, exits, signals, forks, threads. Offline, so the spool tells."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import environ
from support.spools import offline, read_spools, run_offline

BEGIN = "import runstream, sys, os, signal, threading\nrun = runstream.init(project='p', settings={'quiet': True})\n"


@pytest.mark.parametrize(
    ("code", "exit_code", "failure"),
    [
        ("run.finish()", 0, None),
        ("run.finish(exit_code=3)", 3, None),
        ("runstream.finish(2)", 2, None),
        ("", 0, None),
        ("sys.exit()", 0, None),
        ("sys.exit(4)", 4, None),
        ("sys.exit('no')", 1, None),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("sys.excepthook = lambda *error: None\n1 / 0", 1, "ZeroDivisionError"),
        ("threading.Thread(target=lambda: 1 / 0).start()", 0, None),
        ("with run: pass", 0, None),
        ("with run: raise ValueError('bad \\ud800')", 1, "ValueError"),
        ("with run: sys.exit(5)", 5, None),
        ("try:\n    with run: 1 / 0\nexcept ZeroDivisionError: pass", 1, "ZeroDivisionError"),
        ("runstream.teardown(6)", 6, None),
    ],
)
def test_every_end_is_written_down(tmp_path: Path, code: str, exit_code: int, failure: str | None) -> None:
    run_offline(BEGIN + "run.log({'a': 1})\n" + code, tmp_path)
    (spool,) = read_spools(tmp_path)
    assert spool.end is not None
    assert spool.end["state"] == ("RUN_STATE_FAILED" if exit_code else "RUN_STATE_FINISHED")
    assert spool.end["exitCode"] == exit_code
    if failure is None:
        assert "failure" not in spool.end
    else:
        assert spool.end["failure"]["type"] == failure
        assert failure in spool.end["failure"]["traceback"]


def test_hooks_that_were_there_are_called(tmp_path: Path) -> None:
    code = """
import sys
sys.excepthook = lambda kind, error, trace: print("theirs", kind.__name__)
import runstream
runstream.init(project="p")
1 / 0
"""
    done = run_offline(code, tmp_path)
    assert (done.stdout, done.returncode) == ("theirs ZeroDivisionError\n", 1)


SIGTERM = "\nos.kill(os.getpid(), signal.SIGTERM)\nimport time; time.sleep(10)\n"


@pytest.mark.parametrize(
    "moment", ["", "run._lock.acquire()\n", "run._outbox._lock.acquire()\n", "run.mark_preempting()\n"]
)
def test_sigterm_is_written_down_and_ends_the_process_as_ever(tmp_path: Path, moment: str) -> None:
    code = "run.log({'a': 1})\nfor i in range(100): run.summary['s'] = i\n"
    done = run_offline(BEGIN + code + moment + SIGTERM, tmp_path)
    assert done.returncode == -signal.SIGTERM
    (spool,) = read_spools(tmp_path)
    assert spool.end == {"state": "RUN_STATE_FAILED", "exitCode": 143}
    assert spool.rows == [(0, {"a": 1.0})]
    assert spool.attributes().get("preempting", False) is ("preempting" in moment)
    if "run._lock" not in moment:
        assert spool.document("KIND_SUMMARY") == {"s": 99}


def test_a_handler_of_sigterm_that_is_there_stays(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, lambda *args: print('theirs'))\n"
    done = run_offline(code + BEGIN + "os.kill(os.getpid(), signal.SIGTERM)\nrun.finish()", tmp_path)
    assert (done.returncode, done.stdout) == (0, "theirs\n")


def test_a_handler_that_comes_later_and_calls_ours_goes_on(tmp_path: Path) -> None:
    # Lightning's: it composes its own with the one that was there, to stop at the end of the step.
    code = """
before = signal.getsignal(signal.SIGTERM)
signal.signal(signal.SIGTERM, lambda *args: before(*args))
os.kill(os.getpid(), signal.SIGTERM)
run.log({"after": 1})
"""
    (spool,) = offline(BEGIN + code, tmp_path)
    assert spool.rows == [(0, {"after": 1.0})]
    assert spool.end == {"state": "RUN_STATE_FINISHED", "exitCode": 0}


def test_init_in_a_thread_leaves_signals_alone(tmp_path: Path) -> None:
    code = """
import runstream, signal, threading
def work():
    with runstream.init(project="p") as run:
        run.log({"a": 1})
thread = threading.Thread(target=work); thread.start(); thread.join()
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""
    (spool,) = offline(code, tmp_path)
    assert spool.end == {"state": "RUN_STATE_FINISHED", "exitCode": 0}


def test_threads_log_to_one_run(tmp_path: Path) -> None:
    code = """
def work(name):
    for step in range(500):
        run.log({name: step}, step=step)
        run.summary[name] = step
threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    (spool,) = offline(BEGIN + code, tmp_path)
    assert len(spool.rows) == 2000
    assert spool.document("KIND_SUMMARY") == {f"t{i}": 499 for i in range(4)}


def test_a_forked_child_says_what_it_says_in_a_spool_of_its_own(tmp_path: Path) -> None:
    code = """
run.log({"a": 1})
run.summary["parent"] = 1
child = os.fork()
if not child:
    run.log({"b": 2})
    run.config["child"] = 3
    sys.exit(0)
os.waitpid(child, 0)
silent = os.fork()
if not silent:
    run.finish()
    sys.exit(0)
os.waitpid(silent, 0)
run.log({"a": 3})
run.finish()
"""
    parent, child = offline(BEGIN + code, tmp_path)
    assert [row for _, row in parent.rows] == [{"a": 1.0}, {"a": 3.0}]
    assert child.rows == [(1, {"b": 2.0})]
    assert child.document("KIND_CONFIG") == {"child": 3}
    assert (parent.identity["attempt"], parent.identity["rank"]) == (child.identity["attempt"], child.identity["rank"])
    for spool in (parent, child):
        assert spool.end == {"state": "RUN_STATE_FINISHED", "exitCode": 0}


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_log_to_the_run_they_are_given(tmp_path: Path, way: str) -> None:
    code = f"""
import multiprocessing, runstream

def work(run, number):
    run.log({{"child": number}}, step=number)

if __name__ == "__main__":
    context = multiprocessing.get_context({way!r})
    with runstream.init(project="p", config={{"a": 1}}, settings={{"quiet": True}}) as run:
        run.log({{"parent": 1}})
        children = [context.Process(target=work, args=(run, number)) for number in range(2)]
        for child in children: child.start()
        for child in children: child.join()
        assert [child.exitcode for child in children] == [0, 0]
"""
    (tmp_path / "program.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "program.py"],
        env=environ(RUNSTREAM_MODE="offline"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    parent, *children = read_spools(tmp_path)
    assert parent.rows == [(0, {"parent": 1.0})]
    assert sorted(child.rows[0][1]["child"] for child in children) == [0.0, 1.0]
    assert len({spool.identity["run"] for spool in (parent, *children)}) == 1
    assert [child.end for child in children] == [{"state": "RUN_STATE_FINISHED", "exitCode": 0}] * 2


def test_pools_end_their_children_as_ever(tmp_path: Path) -> None:
    code = """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
"""
    (spool,) = offline(BEGIN + code, tmp_path)
    assert spool.end == {"state": "RUN_STATE_FINISHED", "exitCode": 0}


def test_several_runs_side_by_side(tmp_path: Path) -> None:
    code = """
second = runstream.init(project="p", id="second", reinit="create_new")
assert runstream.run is run and second is not run
second.log({"b": 1})
runstream.log({"a": 1})
assert runstream.init(project="p") is second
third = runstream.init(project="p", id="third", reinit="finish_previous")
assert run.has_ended and second.has_ended and runstream.run is third
fourth = runstream.init(project="p", id="fourth", reinit=True)
assert third.has_ended and runstream.run is fourth
assert runstream.init(project="p", reinit=False) is fourth
runstream.finish()
assert runstream.run is None
fifth = runstream.init(project="p", id="fifth")
assert runstream.run is fifth
"""
    spools = offline(BEGIN + code, tmp_path)
    assert [spool.identity["run"] for spool in spools][1:] == ["second", "third", "fourth", "fifth"]
    assert [len(spool.rows) for spool in spools] == [1, 1, 0, 0, 0]
    assert all(spool.end == {"state": "RUN_STATE_FINISHED", "exitCode": 0} for spool in spools)


def test_must_resume_does_not_return_another_run(tmp_path: Path) -> None:
    done = run_offline(BEGIN + "runstream.init(id='x', resume='must')", tmp_path)
    assert "cannot resume a run while run" in done.stderr
    assert "reinit='create_new'" in done.stderr


def test_auto_goes_on_in_the_run_that_has_not_ended_well(tmp_path: Path) -> None:
    code = "import runstream\nrun = runstream.init(project='p', resume='auto')\nrun.log({'a': 1})\n"
    run_offline(code + "1 / 0", tmp_path)
    run_offline(code + "import os; os.kill(os.getpid(), 9)", tmp_path)
    offline(code, tmp_path)
    offline(code, tmp_path)
    ids = [spool.identity["run"] for spool in read_spools(tmp_path)]
    assert ids[0] == ids[1] == ids[2] != ids[3]


def test_I4_a_folder_that_cannot_be_written_to_costs_no_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = """
import runstream
run = runstream.init(project="p", dir="file")
run.log({"a": 1}); run.config["b"] = 2; run.finish()
print(run.dir)
"""
    (tmp_path / "tmp").mkdir()
    done = run_offline(code, tmp_path, TMPDIR=str(tmp_path / "tmp"))
    assert done.returncode == 0, done.stderr
    assert "cannot write to" in done.stderr
    assert done.stdout.startswith(str(tmp_path / "tmp"))
    assert read_spools(tmp_path / "tmp")[0].rows == [(0, {"a": 1.0})]
    nowhere = code.replace("import runstream", "import runstream, tempfile\ntempfile.tempdir = 'file'")
    done = run_offline(nowhere, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "NOTHING OF THIS RUN IS KEPT" in done.stderr
    assert run_offline(code, tmp_path, RUNSTREAM_STRICT="1").returncode == 1


def test_a_notebooks_kernel_does_not_wait_and_a_failed_cell_is_no_failed_run(tmp_path: Path) -> None:
    # What runstream knows of a notebook: IPython is loaded and its shell is the kernel's.
    code = """
import sys, types
shell = type("ZMQInteractiveShell", (), {})()
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: shell)
import runstream
first = runstream.init(project="p", config={"a": 1}, mode="online",
                       settings={"base_url": "http://127.0.0.1:9", "give_up_after_s": 0})
first.config["a"] = 2
second = runstream.init(project="p", mode="online", settings={"base_url": "http://127.0.0.1:9", "give_up_after_s": 0,
                        "unreachable_timeout_s": 60, "finish_timeout_s": 60})
assert first.has_ended and second is not first
sys.last_value = ZeroDivisionError()
try:
    1 / 0
except ZeroDivisionError as error:
    sys.excepthook(type(error), error, error.__traceback__)
"""
    code = code.replace('"give_up_after_s": 0})', '"give_up_after_s": 0, "unreachable_timeout_s": 0})')
    _, second = offline(code, tmp_path)
    assert second.end == {"state": "RUN_STATE_FINISHED", "exitCode": 0}
