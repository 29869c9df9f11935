"""What the command line says when it cannot: one line that names the thing and what to do; exit codes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import Process, environ, run_cli

from runstream.cli import COMMANDS


def complain(*arguments: str, cwd: Path, code: int = 1, **env: str) -> str:
    done = run_cli(*arguments, env=environ(**env), cwd=cwd)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_every_command_has_help_with_an_example(tmp_path: Path) -> None:
    for name in COMMANDS:
        done = run_cli(name, "--help", env=environ(), cwd=tmp_path)
        assert done.returncode == 0
        assert "example: runstream" in done.stdout
    assert all(name in run_cli("--help", env=environ(), cwd=tmp_path).stdout for name in COMMANDS)


def test_an_unknown_option_or_command_is_named(tmp_path: Path) -> None:
    assert "--colour" in complain("server", "--colour", cwd=tmp_path, code=2)
    assert "serve" in complain("serve", cwd=tmp_path, code=2)
    assert "--port" in complain("server", "--port", "many", cwd=tmp_path, code=2)
    assert "http_port: must be 0 to 65535, not 70000" in complain("server", "--port", "70000", cwd=tmp_path)


def test_a_port_in_use_is_named_and_nothing_is_left_running(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = complain("server", "--data", "d", "--port", port, "--grpc-port", "0", cwd=tmp_path)
        assert f"127.0.0.1:{port}" in said
        assert "--port" in said
        assert f":{port}" in complain("clickhouse", "--data", "c", "--port", port, cwd=tmp_path)
    again = Process(["-m", "runstream", "server", "--data", str(tmp_path / "d"), "--port", "0", "--grpc-port", "0"])
    assert "ready" in again.first_line
    assert again.stop() == 0


def test_a_data_directory_in_use_of_another_version_or_of_something_else(tmp_path: Path) -> None:
    server = Process(["-m", "runstream", "server", "--data", str(tmp_path / "d"), "--port", "0", "--grpc-port", "0"])
    assert "ready" in server.first_line
    said = complain("server", "--data", "d", "--port", "0", "--grpc-port", "0", cwd=tmp_path)
    assert "in use by" in said
    assert str(server.popen.pid) in said
    assert "in use by" in complain("key", "--data", "d", "ls", cwd=tmp_path)
    assert server.stop() == 0
    (tmp_path / "d" / "clickhouse" / "runstream-format").write_text("7")
    assert "format version 7" in complain("server", "--data", "d", "--port", "0", "--grpc-port", "0", cwd=tmp_path)
    (tmp_path / "other" / "clickhouse").mkdir(parents=True)
    (tmp_path / "other" / "clickhouse" / "thesis.tex").write_text("x")
    assert "none of runstream's" in complain("server", "--data", "other", cwd=tmp_path)


def test_engines_that_are_not_there(tmp_path: Path) -> None:
    said = complain("server", "--clickhouse", "http://127.0.0.1:9", cwd=tmp_path)
    assert "cannot open ClickHouse at http://127.0.0.1:9" in said
    assert "must be chdb://PATH" in complain("server", "--clickhouse", "mysql://x", cwd=tmp_path)
    said = complain("server", "--data", "d", "--s3", "s3://b?endpoint=http://127.0.0.1:9", "--port", "0",
                    "--grpc-port", "0", cwd=tmp_path)  # fmt: skip
    assert "S3 cannot be reached" in said


def test_no_server(tmp_path: Path) -> None:
    for arguments in (["artifact", "ls", "p/c"], ["key", "--server", "http://127.0.0.1:9", "ls"], ["run", "ls"]):
        said = complain(*arguments, cwd=tmp_path, RUNSTREAM_BASE_URL="http://127.0.0.1:9")
        assert "no runstream server answers at http://127.0.0.1:9" in said
        assert "runstream server" in said
    assert "no directory" in complain("sync", "nowhere", cwd=tmp_path)
    assert "not 'http://h:8o8o'" in complain("run", "ls", "--server", "http://h:8o8o", cwd=tmp_path)
    assert "not 'ftp://x'" in complain("sync", "--follow", "--server", "ftp://x", cwd=tmp_path)
    assert "holds no writer.json" in complain("spool", "show", ".", cwd=tmp_path)
    assert "nowhere is no directory" in complain("spool", "verify", "nowhere", cwd=tmp_path)


def test_names_of_runs_that_cannot_be(tmp_path: Path) -> None:
    assert "RUN: must have the form [entity/]project/run, not 'one'" in complain("run", "show", "one", cwd=tmp_path)
    assert "PROJECT: must have the form [entity/]project" in complain("run", "ls", "a/b/c", cwd=tmp_path)
    assert "--limit: must be 0 or more" in complain("run", "ls", "--limit", "-1", cwd=tmp_path)


def test_a_demo_whose_port_is_taken_takes_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_cli("demo", "--exit", "--steps", "20", "--port", str(port), env=environ(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f":{port}/" not in done.stdout
    assert "9 accounts" in done.stdout or "stored" in done.stdout


def test_keys_are_made_listed_and_revoked_on_a_stopped_servers_data(tmp_path: Path) -> None:
    create = ["key", "--data", "d", "--json", "create", "--entity", "team", "--role", "admin"]
    made = run_cli(*create, env=environ(), cwd=tmp_path)
    key = json.loads(made.stdout)
    assert key["key"].startswith("rs-")
    key_id = key["keys"][0]["id"]
    listed = run_cli("key", "--data", "d", "ls", "--entity", "team", env=environ(), cwd=tmp_path).stdout
    assert key_id in listed
    assert key["key"] not in listed
    revoked = run_cli("key", "--data", "d", "revoke", key_id, "--entity", "team", env=environ(), cwd=tmp_path)
    assert "revoked" in revoked.stdout
    assert "no key 'rs-none'" in complain("key", "--data", "d", "revoke", "rs-none", cwd=tmp_path)


def test_login_keeps_a_key_that_is_one(tmp_path: Path) -> None:
    env = environ(RUNSTREAM_CONFIG=str(tmp_path / "config"))
    assert run_cli("login", "rs-abc", "--server", "http://s", env=env, cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "config" / "credentials.json").read_text()) == {"http://s": "rs-abc"}
    assert "must begin with rs-" in complain("login", "nonsense", cwd=tmp_path)


@pytest.mark.parametrize("key", ["", "rs-nobody-knows-this-key"])
def test_a_missing_key_trains_on_and_is_told_and_a_wrong_one_is_an_error_of_init(tmp_path: Path, key: str) -> None:
    clickhouse = f"chdb://{tmp_path / 'd'}"
    assert run_cli("key", "--clickhouse", clickhouse, "create", env=environ(), cwd=tmp_path).returncode == 0
    server = Process(
        ["-P", "-m", "ingest", "--clickhouse", clickhouse, "--host", "0.0.0.0", "--port", "0", "--grpc-port", "0"]
    )
    port = server.url.rsplit(":", 1)[1]
    (tmp_path / "train.py").write_text(
        "import runstream\nwith runstream.init(project='p') as run:\n    run.log({'a': 1})\nprint(run.receipt.sent)\n"
    )
    done = subprocess.run(
        [sys.executable, "train.py"],
        env=environ(RUNSTREAM_BASE_URL=f"http://127.0.0.1:{port}", RUNSTREAM_API_KEY=key),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert server.stop() == 0
    if key:
        assert (done.returncode, done.stdout) == (1, "")
        assert "KeyUnknown" in done.stderr
        return
    assert (done.returncode, done.stdout.strip()) == (0, "1")
    assert "no API key" in done.stderr
    assert "safe in the spool" in done.stderr
    assert "runstream sync" in done.stderr
