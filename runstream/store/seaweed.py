"""S3 for one machine: SeaweedFS from PyPI, as a child of this process.

Listens on loopback only, on free ports, with credentials of its own that stay in the data directory. Ends with
this process, even when that is killed.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

from runstream.child import tied
from runstream.errors import SetupError

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 5.0
_BUCKET = "runstream"


class Seaweed:
    """A running SeaweedFS.

    Args:
        data_dir: where its files, its credentials and its log are.

    Raises:
        SetupError: it is not installed, or does not start.
    """

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        program = _program()
        access, secret, config = _credentials(data_dir)
        master, volume, filer, s3, *others = _free_ports(8)
        flags = {
            "dir": data_dir,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": master,
            "master.port.grpc": others[0],
            "volume.port": volume,
            "volume.port.grpc": others[1],
            "filer.port": filer,
            "filer.port.grpc": others[2],
            "s3.port": s3,
            "s3.port.grpc": others[3],
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": config,
            "filer.localSocket": data_dir / "filer.sock",
            "s3.localSocket": data_dir / "s3.sock",
            "admin.ui": "false",
            "webdav": "false",
            "master.telemetry": "false",
            "bucket": _BUCKET,
        }
        command = [program, "mini", *(f"-{name}={value}" for name, value in flags.items())]
        self._log = data_dir / "weed.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                tied(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=data_dir,
                start_new_session=True,  # Ctrl-C is for the server, which stops us in its order
            )
        self.endpoint = f"http://127.0.0.1:{s3}"
        self.url = f"s3://{access}:{secret}@{_BUCKET}?endpoint={quote(self.endpoint, safe='')}"
        self._wait_until_ready()

    def stop(self) -> None:
        """Ends it: SIGTERM, then SIGKILL. Safe to call twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _answers(self.endpoint):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                tail = self._log.read_text("utf-8", "replace").strip().splitlines()[-1:]
                raise SetupError(
                    f"SeaweedFS did not start: {' '.join(tail)}",
                    next_step=f"see {self._log}, or give an S3 of your own with --s3 URL",
                )
            time.sleep(0.02)


def _program() -> str:
    found = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if found is None:
        raise SetupError("SeaweedFS is not installed", next_step="pip install 'runstream[server]', or give --s3 URL")
    return found


def _credentials(data_dir: Path) -> tuple[str, str, Path]:
    """Access key, secret key, and the file that tells them to SeaweedFS; made at the first start."""
    path = data_dir / "credentials.json"
    if not path.exists():
        identity = {
            "name": "runstream",
            "credentials": [{"accessKey": secrets.token_hex(10), "secretKey": secrets.token_hex(20)}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps({"identities": [identity]}), "utf-8")
    keys = json.loads(path.read_text("utf-8"))["identities"][0]["credentials"][0]
    return keys["accessKey"], keys["secretKey"], path


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, all held at once so that they differ."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _answers(endpoint: str) -> bool:
    """Whether the S3 port speaks: any HTTP answer but a server error will do."""
    try:
        with urllib.request.urlopen(endpoint, timeout=1):
            return True
    except urllib.error.HTTPError as error:
        with error:
            return error.code < 500
    except OSError:
        return False
