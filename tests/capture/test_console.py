"""Real programs whose console is captured: all of it comes through, whatever happens to them."""

from __future__ import annotations

import hashlib
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import console
from support.processes import environ, wait_until


def test_python_native_code_and_children_are_heard_and_come_through(tmp_path: Path) -> None:
    told = console.run(
        """
capture = start()
print("from python")
print("to stderr", file=sys.stderr)
os.write(1, b"from os.write\\n")
libc = ctypes.CDLL(None)
libc.printf(b"from printf %d\\n", 7); libc.fflush(None)
subprocess.run(["sh", "-c", "echo from a child; echo its stderr >&2"])
capture.stop()
print("after")
""",
        tmp_path,
    )
    said = ["from python", "from os.write", "from printf 7", "from a child"]
    assert told.code == 0, told.stderr
    assert told.stdout.decode().splitlines() == [*said, "after"]
    assert told.stderr == b"to stderr\nits stderr\n"
    assert told.texts("stdout") == said
    assert told.texts("stderr") == ["to stderr", "its stderr"]
    assert told.last_words == []


def test_descriptors_are_put_back_exactly_and_none_is_left_open(tmp_path: Path) -> None:
    told = console.run(
        """
def state():
    return [os.fstat(fd) for fd in (1, 2)], sorted(os.listdir("/proc/self/fd")), threading.active_count()
before = state()
for _ in range(3):
    capture = start()
    print("x")
    assert os.fstat(1).st_ino != before[0][0].st_ino
    capture.stop()
    capture.stop()
after = state()
assert [s.st_ino for s in before[0]] == [s.st_ino for s in after[0]]
assert before[1:] == after[1:], (before, after)
""",
        tmp_path,
    )
    assert (told.code, told.stderr) == (0, b"")


def test_order_is_kept_where_both_streams_go_to_one_place(tmp_path: Path) -> None:
    code = """
capture = start()
for n in range(2000):
    os.write(1 + n % 2, b"%d\\n" % n)
capture.stop()
"""
    told = console.run(code, tmp_path, merged=True)
    assert told.stdout.split() == [b"%d" % n for n in range(2000)]
    assert told.texts() == [str(n) for n in range(2000)]


def test_a_progress_bar_is_one_line_said_once_a_second(tmp_path: Path) -> None:
    began = time.monotonic()
    told = console.run(
        """
capture = start()
for n in range(101):
    sys.stderr.write(f"\\r{n:3d}%|{'#' * (n // 10):10}| {n}/100"); sys.stderr.flush()
    time.sleep(0.015)
sys.stderr.write("\\n")
capture.stop()
""",
        tmp_path,
    )
    assert told.stderr.count(b"\r") == 101
    assert told.texts() == ["100%|##########| 100/100"]
    assert 2 <= len(told.emissions) <= 3 + time.monotonic() - began


def test_I4_native_code_that_prints_much_while_it_holds_the_interpreter_lock_goes_on(tmp_path: Path) -> None:
    told = console.run(
        """
capture = start()
data = b"x" * 99 + b"\\n"
write = ctypes.PyDLL(None).write
sent = 0
while sent < 3_000_000:
    chunk = data * 15_000
    sent += write(1, chunk, len(chunk))
print("done", sent, file=sys.stderr)
os._exit(0)
""",
        tmp_path,
    )
    assert told.code == 0
    assert told.stderr == b"done %d\n" % len(told.stdout)


@pytest.mark.parametrize(
    ("way", "code"),
    [("os._exit(3)", 3), ("os.kill(os.getpid(), signal.SIGKILL)", -9), ("os.abort()", -6), ("sys.exit(4)", 4)],
)
def test_I1_the_last_words_of_a_dying_process_come_through_and_are_kept(tmp_path: Path, way: str, code: int) -> None:
    told = console.run(
        f"""
capture = start()
for n in range(1000):
    print("line", n, flush=True)
print("CUDA error: an illegal memory access", end="", file=sys.stderr, flush=True)
{way}
""",
        tmp_path,
    )
    assert told.code == code
    assert told.stdout.decode().splitlines() == [f"line {n}" for n in range(1000)]
    assert told.texts("stdout") == [f"line {n}" for n in range(1000)]
    assert told.texts("stderr") == ["CUDA error: an illegal memory access"]


def test_a_crash_dump_of_faulthandler_is_kept(tmp_path: Path) -> None:
    told = console.run(
        "import faulthandler; faulthandler.enable(); capture = start(); faulthandler._sigsegv()", tmp_path
    )
    assert told.code == -signal.SIGSEGV
    assert b"Fatal Python error: Segmentation fault" in told.stderr
    assert told.texts("stderr")[0] == "Fatal Python error: Segmentation fault"


def test_an_exception_at_exit_is_kept(tmp_path: Path) -> None:
    told = console.run(
        "import atexit; capture = start(); atexit.register(lambda: 1 / 0); raise KeyError('loss')", tmp_path
    )
    assert b"ZeroDivisionError" in told.stderr
    assert "KeyError: 'loss'" in told.texts("stderr")
    assert "ZeroDivisionError: division by zero" in told.texts("stderr")


def test_forked_children_print_on_and_may_capture_for_themselves(tmp_path: Path) -> None:
    told = console.run(
        """
import multiprocessing
capture = start()
def work(n):
    own = start() if n == 2 else None
    print("child", n, flush=True)
    if own: own.stop()
pids = []
for n in range(3):
    pid = os.fork()
    if not pid:
        work(n)
        os._exit(0)
    pids.append(pid)
for pid in pids:
    assert os.waitpid(pid, 0)[1] == 0
child = multiprocessing.get_context("fork").Process(target=work, args=(3,))
child.start(); child.join()
try:
    os.wait()
except ChildProcessError:
    print("no child is ours")
capture.stop()
""",
        tmp_path,
    )
    assert told.code == 0, told.stderr
    expected = [*(f"child {n}" for n in range(4)), "no child is ours"]
    assert sorted(told.stdout.decode().splitlines()) == expected


def test_a_child_that_outlives_its_parent_prints_on(tmp_path: Path) -> None:
    told = console.run(
        """
capture = start()
subprocess.Popen(["sh", "-c", "sleep 1; echo late; echo later >&2"])
capture.stop()
print("parent ends")
""",
        tmp_path,
    )
    assert told.stdout == b"parent ends\nlate\n"
    assert told.stderr == b"later\n"


def test_I4_when_the_pump_is_killed_output_goes_on(tmp_path: Path) -> None:
    captured = tmp_path / "captured"
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            console.PRELUDE
            + """
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
inode = os.fstat(1).st_ino
capture = start()
print("before", flush=True)
sys.stdin.readline()
print("after", flush=True)
while os.fstat(1).st_ino != inode: time.sleep(0.01)
print("put back", flush=True)
capture.stop()
""",
            str(captured),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"before\n"
        console.kill_pump(captured)
        stdout, stderr = process.communicate(b"go\n", timeout=30)
    assert (process.returncode, stderr) == (0, b"")
    assert stdout == b"after\nput back\n"


def test_I4_when_the_pump_cannot_start_nothing_is_replaced(tmp_path: Path) -> None:
    told = console.run(
        """
inode = os.fstat(1).st_ino
sys.executable = "/nonexistent/python"
assert start() is None and os.fstat(1).st_ino == inode
sys.executable = "/bin/false"
capture = start()
print("said into the channel", flush=True)
while os.fstat(1).st_ino != inode: time.sleep(0.01)
print("said after", flush=True)
capture.stop()
""",
        tmp_path,
    )
    assert (told.code, told.stderr) == (0, b"")
    assert sorted(told.stdout.split(b"\n")) == [b"", b"said after", b"said into the channel"]


def test_I4_a_reader_that_leaves_does_not_end_training(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            "sh",
            "-c",
            '"$0" -c "$1" "$2" | head -n 1',
            sys.executable,
            console.PRELUDE + "start()\nfor n in range(100000): print(n)\nprint('ends', file=sys.stderr)",
            str(tmp_path / "c"),
        ],
        capture_output=True,
        env=environ(),
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"0\n", b"ends\n")


def test_a_reader_of_one_stream_that_waits_holds_up_only_that_one(tmp_path: Path) -> None:
    code = (
        console.PRELUDE
        + """
capture = start()
def fill():
    for n in range(40_000): os.write(1, b"x" * 99 + b"\\n")
threading.Thread(target=fill).start()
for n in range(100):
    print("stderr", n, file=sys.stderr)
"""
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "captured")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for n in range(100):
            assert process.stderr.readline() == b"stderr %d\n" % n
        assert len(process.stdout.read()) == 4_000_000


def test_I4_stop_is_bounded_while_the_console_takes_nothing(tmp_path: Path) -> None:
    code = (
        console.PRELUDE
        + """
capture = start()
threading.Thread(target=lambda: os.write(1, b"x" * 4_000_000), daemon=True).start()
time.sleep(0.5)
began = time.monotonic()
capture.stop(timeout_s=1.0)
print(time.monotonic() - began, file=sys.stderr, flush=True)
"""
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "captured")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert float(process.stderr.readline()) < 5
        process.kill()
        assert set(process.stdout.read()) == {ord("x")}


def test_streams_that_go_nowhere_are_told_apart(tmp_path: Path) -> None:
    code = console.PRELUDE + "capture = start(); print('out'); print('err', file=sys.stderr); capture.stop()"
    captured = tmp_path / "captured"
    subprocess.run(
        [sys.executable, "-c", code, str(captured)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ(),
        check=True,
    )
    told = console.told(0, b"", b"", captured)
    assert (told.texts("stdout"), told.texts("stderr")) == (["out"], ["err"])


def test_a_process_that_replaces_itself_prints_on(tmp_path: Path) -> None:
    told = console.run(
        """
start()
print("before", flush=True)
os.execv(sys.executable, [sys.executable, "-c", "print('after')"])
""",
        tmp_path,
    )
    assert (told.code, told.stdout, told.stderr) == (0, b"before\nafter\n", b"")


def test_a_program_that_makes_itself_a_daemon_goes_on(tmp_path: Path) -> None:
    told = console.run(
        """
start()
print("before", flush=True)
os.closerange(3, 256)
files = [open(f"{sys.argv[1]}.{n}", "w") for n in range(20)]  # they get the numbers of what was ours
time.sleep(0.2)
print("after", flush=True)
for file in files:
    file.write("own")
    file.close()
    assert Path(file.name).read_text() == "own"
""",
        tmp_path,
    )
    assert (told.code, told.stdout, told.stderr) == (0, b"before\nafter\n", b"")


def test_closed_streams_are_left_closed(tmp_path: Path) -> None:
    told = console.run("os.close(1); capture = start(); print('x', file=sys.stderr); capture.stop()", tmp_path)
    assert (told.stdout, told.stderr[:2]) == (b"", b"x\n")
    assert told.texts() == ["x"]


def test_a_terminal_stays_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    code = (
        console.PRELUDE
        + """
os.set_blocking(1, True)
capture = start()
assert os.isatty(1) and os.isatty(2)
print(os.get_terminal_size(1).columns, flush=True)
sys.stderr.write("\\r50%\\r100%\\n"); sys.stderr.flush()
print("plain", flush=True)
subprocess.run([sys.executable, "-c", "import sys; print(sys.stdout.isatty())"])
capture.stop()
"""
    )
    from runstream.capture.channel import copy_window_size

    import fcntl, struct, termios  # isort: skip  # noqa: E401

    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    copy_window_size(ours, theirs)
    captured = tmp_path / "captured"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(captured)], stdout=theirs, stderr=theirs, env=environ()
    ) as process:
        os.close(theirs)
        came = b""
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:
                break
            if not data:
                break
            came += data
    os.close(ours)
    assert process.returncode == 0, came
    assert came == b"77\r\n\r50%\r100%\r\nplain\r\nTrue\r\n"
    assert console.told(0, came, b"", captured).texts() == ["77", "100%", "plain", "True"]


def test_redirection_in_python_is_left_alone(tmp_path: Path) -> None:
    told = console.run(
        """
import contextlib, io
kept = io.StringIO()
with contextlib.redirect_stdout(kept):
    capture = start()
    print("kept by the program")
    os.write(1, b"native\\n")
print("said")
with contextlib.redirect_stdout(kept):
    print("kept too")
capture.stop()
assert kept.getvalue() == "kept by the program\\nkept too\\n"
""",
        tmp_path,
    )
    assert told.code == 0, told.stderr
    assert told.texts("stdout") == ["native", "said"]


def test_a_logger_in_place_of_stdout_is_heard_once(tmp_path: Path) -> None:
    told = console.run(
        """
class Logger:
    def __init__(self, terminal): self.terminal, self.log = terminal, open(os.devnull, "w")
    def write(self, text): self.terminal.write(text); self.log.write(text)
    def flush(self): self.terminal.flush()
sys.stdout = Logger(sys.stdout)
capture = start()
print("once")
capture.stop()
""",
        tmp_path,
    )
    assert (told.stdout, told.texts()) == (b"once\n", ["once"])


def test_a_notebooks_stdout_is_tapped(tmp_path: Path) -> None:
    told = console.run(
        """
class OutStream:  # as in a notebook's kernel: it goes to a socket
    def __init__(self): self.sent = []
    def write(self, text): self.sent.append(text); return len(text)
    def flush(self): pass
    def fileno(self): raise OSError("no descriptor")
sys.stdout = OutStream()
capture = start()
print("cell", 1, "api_key=abcdef123")
print("to stderr", file=sys.stderr)
capture.stop()
print("after")
assert "".join(sys.stdout.sent) == "cell 1 api_key=abcdef123\\nafter\\n"
assert "write" not in vars(sys.stdout)
""",
        tmp_path,
    )
    assert (told.code, told.stdout, told.stderr) == (0, b"", b"to stderr\n")
    assert told.texts("stdout") == ["cell 1 api_key=***"]
    assert told.texts("stderr") == ["to stderr"]


def test_two_runs_of_a_process_share_one_capture_and_count_for_themselves(tmp_path: Path) -> None:
    told = console.run(
        """
mine, others = [], []
first = console.start(mine.extend)
print("one", flush=True)
while not mine: time.sleep(0.01)
second = console.start(others.extend)
print("two", flush=True)
first.stop()
print("three", flush=True)
second.stop()
print("four")
assert [(l.number, l.text) for l in mine] == [(0, "one"), (1, "two")], mine
assert [(l.number, l.text) for l in others] == [(0, "two"), (1, "three")], others
""",
        tmp_path,
    )
    assert (told.code, told.stderr) == (0, b"")
    assert told.stdout.split() == [b"one", b"two", b"three", b"four"]


def test_I4_a_listener_that_fails_or_prints_harms_nobody(tmp_path: Path) -> None:
    told = console.run(
        """
seen = []
def bad(lines):
    seen.extend(lines)
    print("listener says: no", flush=True)
    raise OSError("disk full")
capture = console.start(bad)
print("hello", flush=True)
while not seen: time.sleep(0.01)
capture.stop()
assert "disk full" in capture.trouble
""",
        tmp_path,
    )
    assert told.code == 0, told.stderr
    assert told.stdout.startswith(b"hello\nlistener says: no\n")


def test_secrets_are_masked_in_lines_and_come_through_as_they_are(tmp_path: Path) -> None:
    told = console.run(
        "capture = start(); print('key', os.environ['MY_API_KEY']); capture.stop()",
        tmp_path,
        env={"MY_API_KEY": "s3cr3t-value"},
    )
    assert told.stdout == b"key s3cr3t-value\n"
    assert told.texts() == ["key ***"]


def test_signals_of_the_terminal_do_not_end_the_pump(tmp_path: Path) -> None:
    captured = tmp_path / "captured"
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            console.PRELUDE + "start(); print('ready', flush=True); time.sleep(60)",
            str(captured),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ(),
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        pump = console.pump_of(captured)
        wait_until(lambda: int(_status(pump, "SigIgn"), 16) & 2)
        os.kill(pump, signal.SIGINT)
        os.kill(pump, signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert stderr.endswith(b"KeyboardInterrupt\n")
    assert console.told(0, b"", stderr, captured).texts("stderr")[-1] == "KeyboardInterrupt"


def test_100_MB_come_through_bit_by_bit_and_what_is_not_kept_is_counted(tmp_path: Path) -> None:
    captured = tmp_path / "captured"
    code = (
        console.PRELUDE
        + """
import hashlib, random
capture = start()
digest = hashlib.sha256()
block = bytes(random.Random(1).choices(range(32, 127), k=999_999)) + b"\\n"
for n in range(100):
    part = block[n:] + block[:n]
    digest.update(part)
    os.write(1, part) == len(part) or exit(9)
capture.stop()
print(digest.hexdigest(), file=sys.stderr)
"""
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(captured)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        digest, size = hashlib.sha256(), 0
        while data := process.stdout.read1(1 << 20):
            digest.update(data)
            size += len(data)
        assert process.stderr.read().decode().strip() == digest.hexdigest()
    assert (process.returncode, size) == (0, 100_000_000)
    assert any(text.startswith("[runstream: ") for text in console.told(0, b"", b"", captured).texts("stderr"))


def _status(process_id: int, name: str) -> str:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(name + ":"))
