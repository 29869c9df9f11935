"""API keys as the SDK meets them: checked, kept for this user alone, refused at init."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.hosting import hosted
from support.processes import environ, run_cli

from ingest.server import build as build_ingest
from ingest.settings import Settings as IngestSettings
from query.server import build as build_query
from query.settings import Settings as QuerySettings
from runstream.service.caller import Role
from runstream.service.keys import make_key
from runstream.store.client import Store

WRONG = "rs-" + "x" * 43


@dataclass
class Guarded:
    """A server that wants keys, and one it takes."""

    url: str
    key: str


@pytest.fixture(scope="module")
def guarded(store: Store) -> Iterator[Guarded]:
    key, _ = make_key(store, "login-team", "ci", Role.WRITER)
    services = [build_ingest(store, IngestSettings()), build_query(store, QuerySettings())]
    with hosted(services, store, allows_keyless=False) as addresses:
        yield Guarded(addresses.http_url, key)


def run(code: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = environ(**({"RUNSTREAM_CONFIG": str(folder / "settings"), "HOME": str(folder)} | env))
    return subprocess.run(
        [sys.executable, "-c", f"import json, os, runstream\n{code}"],
        env=kept,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


LOG = """
run = runstream.init(project="login")
run.log({"a": 1})
run.finish()
print(json.dumps(run.receipt.__dict__))
"""


def receipt(done: subprocess.CompletedProcess[str]) -> tuple[int, bool]:
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return told["stored"], told["complete"]


def test_login_checks_the_key_and_keeps_it_for_this_user_alone(guarded: Guarded, tmp_path: Path) -> None:
    first = f"assert runstream.login(key={guarded.key!r}, host={guarded.url!r})\n{LOG}"
    assert receipt(run(first, tmp_path)) == (1, True)
    kept = tmp_path / "settings" / "credentials.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert receipt(run(f"assert runstream.login(host={guarded.url!r})\n{LOG}", tmp_path)) == (1, True)


def test_a_refused_key_raises_at_login_and_at_init_and_is_not_kept(guarded: Guarded, tmp_path: Path) -> None:
    env = {"RUNSTREAM_BASE_URL": guarded.url}
    done = run(f"runstream.login(key={WRONG!r})", tmp_path, **env)
    assert "KeyUnknown" in done.stderr
    assert not (tmp_path / "settings").exists()
    assert "KeyUnknown" in run(LOG, tmp_path, **env, WANDB_API_KEY=WRONG).stderr
    assert "NotAllowed" in run(LOG, tmp_path, **env, RUNSTREAM_API_KEY=guarded.key, WANDB_ENTITY="others").stderr
    assert "must begin with rs-" in run("runstream.login(key='" + "f" * 40 + "')", tmp_path, **env).stderr
    assert "KeyMissing" in run("runstream.login(force=True)", tmp_path, **env).stderr
    assert "False" in run("print(runstream.login())", tmp_path, **env).stdout
    assert "KeyMissing" in run("runstream.init(project='login', force=True)", tmp_path, **env).stderr


def test_the_key_in_netrc_is_the_last_resort(guarded: Guarded, tmp_path: Path) -> None:
    machine = guarded.url.removeprefix("http://")
    (tmp_path / ".netrc").write_text(f"machine {machine}\n  login user\n  password {guarded.key}\n")
    (tmp_path / ".netrc").chmod(0o600)
    env = {"RUNSTREAM_BASE_URL": guarded.url}
    assert receipt(run(LOG, tmp_path, **env)) == (1, True)
    assert "KeyUnknown" in run(LOG, tmp_path, **env, RUNSTREAM_API_KEY=WRONG).stderr
    (tmp_path / ".netrc").write_text(f"machine elsewhere\n  login user\n  password {guarded.key}\n")
    assert "False" in run("print(runstream.login())", tmp_path, **env).stdout
    (tmp_path / ".netrc").write_text("machine {{{ nonsense")
    assert "False" in run("print(runstream.login())", tmp_path, **env).stdout


def test_I4_login_to_a_server_that_is_away_goes_on(tmp_path: Path) -> None:
    code = f"print(runstream.login(key={WRONG!r}, host='http://127.0.0.1:9', timeout=1))"
    done = run(code, tmp_path)
    assert (done.stdout, done.returncode) == ("True\n", 0)
    assert "cannot check the API key" in done.stderr
    assert "ServerUnreachable" in run(code, tmp_path, RUNSTREAM_STRICT="1").stderr
    assert "nothing to log in to" in run("runstream.login()", tmp_path, WANDB_MODE="offline").stderr


def test_the_command_checks_too(guarded: Guarded, tmp_path: Path) -> None:
    env = environ(RUNSTREAM_CONFIG=str(tmp_path / "settings"))
    done = run_cli("login", "--server", guarded.url, WRONG, env=env, cwd=tmp_path)
    assert done.returncode != 0
    assert not (tmp_path / "settings").exists()
    done = run_cli("login", "--server", guarded.url, guarded.key, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert guarded.key in (tmp_path / "settings" / "credentials.json").read_text()
