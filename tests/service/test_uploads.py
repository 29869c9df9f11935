"""Files on their way: on S3 before the record that names them, kept while S3 is away, counted when they are gone."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from support.asking import ask, points
from support.hosting import hosted
from support.processes import wait_until
from support.proxy import Proxy

from artifact_svc.layout import blob
from artifact_svc.server import build as build_artifacts
from ingest.server import build as build_ingest
from ingest.settings import Settings as IngestSettings
from query.server import build as build_query
from query.settings import Settings as QuerySettings
from runstream.errors import StorageUnavailable
from runstream.forward import uploads
from runstream.forward.chain import Forwarder
from runstream.forward.settings import ForwardSettings
from runstream.service.host import Addresses
from runstream.spool.reader import Chunk
from runstream.spool.writer import SpoolWriter
from runstream.store.client import Store
from runstream.store.s3 import S3
from runstream.store.seaweed import Seaweed

P = "uploads"


class Site(NamedTuple):
    """A server, its S3, and the proxy that uploads go through."""

    server: Addresses
    s3: S3
    proxy: Proxy


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    seaweed = Seaweed(tmp_path_factory.mktemp("s3"))
    (endpoint,) = parse_qs(urlsplit(seaweed.url).query)["endpoint"]
    with Proxy("127.0.0.1", int(endpoint.rsplit(":", 1)[1])) as proxy:
        s3 = S3(seaweed.url)
        services = [
            build_ingest(store, IngestSettings(flush_age_s=0.02)),
            build_query(store, QuerySettings()),
            build_artifacts(S3(f"{seaweed.url}&public_endpoint={proxy.url}"), store),
        ]
        with hosted(services, store) as server:
            yield Site(server, s3, proxy)
        s3.close()
    seaweed.stop()


class Writer:
    """A training process's side: copies files, then says them."""

    def __init__(self, run_dir: Path, **identity: Any) -> None:
        who = {
            "entity": "",
            "project": P,
            "run": run_dir.name,
            "attempt": 1,
            "rank": 0,
            "world_size": 1,
            "writer": "w",
            "host": "h",
            "process_id": 7,
            "started_us": 1_700_000_000_000_000,
        }
        self.run_dir = run_dir
        self.spool = SpoolWriter(run_dir / "r0", who | identity)
        self.files = run_dir / "r0" / "files"

    def save(self, path: str, data: bytes, *, said: bytes | None = None, copy: bool = True) -> None:
        if copy:
            (self.files / path).parent.mkdir(parents=True, exist_ok=True)
            (self.files / path).write_bytes(data)
        content = data if said is None else said
        sha256 = hashlib.sha256(content).hexdigest()
        record = {"path": path, "size": str(len(content)), "sha256": sha256, "mediaType": "text/plain"}
        self.spool.append_record({"file": record})

    def row(self, step: int) -> None:
        self.spool.append_row({"a": float(step)}, step, 1_700_000_000_000)

    def end(self) -> None:
        self.spool.append_record({"writer": {"state": "RUN_STATE_FINISHED"}})
        self.spool.close()


async def run_forwarder(site: Site, run_dir: Path, **settings: Any) -> Forwarder:
    made = ForwardSettings(run_dir, **{"base_url": site.server.http_url, "poll_s": 0.001, **settings})
    forwarder = Forwarder(made)
    async with asyncio.timeout(60):
        await forwarder.run()
    return forwarder


def forward(site: Site, run_dir: Path, **settings: Any) -> Forwarder:
    return asyncio.run(run_forwarder(site, run_dir, **settings))


@contextlib.contextmanager
def forwarding(site: Site, run_dir: Path) -> Iterator[None]:
    """Forwards beside the block, until the account is closed."""
    thread = threading.Thread(target=forward, args=(site, run_dir))
    thread.start()
    try:
        yield
    finally:
        thread.join(60)


def listed(site: Site, run: str) -> dict[str, str]:
    files = ask(site.server.http_url, "ListFiles", run=f"local/{P}/{run}").get("files", [])
    return {each["path"]: each["sha256"] for each in files}


def steps(site: Site, run: str) -> list[int]:
    return sorted(points(site.server.http_url, f"local/{P}/{run}", ["a"]).get(("a", 0), {}))


def test_bytes_are_on_s3_and_the_copy_goes_when_its_record_is_acked(site: Site, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "whole")
    contents = {f"media/{number}.txt": f"content {number}".encode() * number for number in range(20)}
    for number, (path, data) in enumerate(contents.items()):
        writer.save(path, data)
        writer.row(number)
    writer.end()
    forwarder = forward(site, writer.run_dir)
    receipt = forwarder.receipts["r0"]
    assert (receipt["sent"], receipt["stored"], receipt["refused"]) == (20, 20, 0)
    assert steps(site, "whole") == list(range(20))
    assert listed(site, "whole") == {path: hashlib.sha256(data).hexdigest() for path, data in contents.items()}
    for path, data in contents.items():
        with urllib.request.urlopen(f"{site.server.http_url}/files/local/{P}/whole/{path}", timeout=10) as answer:
            assert (answer.read(), answer.headers["Content-Type"]) == (data, "text/plain")
    assert not writer.files.exists()


def test_while_s3_is_away_nothing_overtakes_and_everything_is_kept(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_back = threading.Event()

    def upload_all(*args: Any, **named: Any) -> None:
        if not is_back.is_set():
            raise StorageUnavailable("S3 is away")
        original(*args, **named)

    original = uploads.upload_all
    monkeypatch.setattr(uploads, "upload_all", upload_all)
    writer = Writer(tmp_path / "away")
    writer.row(0)
    with forwarding(site, writer.run_dir):
        wait_until(lambda: steps(site, "away") == [0])
        writer.save("a.txt", b"content")
        writer.row(1)
        state = tmp_path / "away" / "forwarder.json"
        wait_until(lambda: "S3 is away" in state.read_text())
        assert json.loads(state.read_text())["state"] == "waiting"
        assert (steps(site, "away"), listed(site, "away")) == ([0], {})
        assert (writer.files / "a.txt").exists()
        is_back.set()
        wait_until(lambda: listed(site, "away"))
        wait_until(lambda: not (writer.files / "a.txt").exists(), what="the copy goes while the writer lives")
        writer.end()
    assert steps(site, "away") == [0, 1]
    assert json.loads(state.read_text())["state"] == "connected"


def test_an_upload_whose_answer_is_cut_off_is_found_there(site: Site, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "cut")
    writer.save("a.txt", b"cut off")
    writer.row(0)
    writer.end()
    site.proxy.cut_answers(2)
    assert forward(site, writer.run_dir).receipts["r0"]["complete"]
    assert list(listed(site, "cut")) == ["a.txt"]
    assert site.s3.get(blob("local", P, listed(site, "cut")["a.txt"])) == b"cut off"


def test_I3_files_that_are_gone_or_changed_are_counted_and_the_rest_goes_on(site: Site, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "lost")
    writer.save("gone.txt", b"gone", copy=False)
    writer.save("changed.txt", b"other", said=b"said.")
    writer.save("shorter.txt", b"x", said=b"longer")
    writer.save("../up.txt", b"up", copy=False)
    writer.save("good.txt", b"good")
    writer.save("twin.txt", b"good", copy=False)  # of the same content: the project has it by then
    writer.row(0)
    writer.end()
    receipt = forward(site, writer.run_dir).receipts["r0"]
    assert (receipt["sent"], receipt["stored"], receipt["refused"], receipt["complete"]) == (5, 1, 4, True)
    expected = [("FILE_CHANGED", "changed.txt"), ("FILE_CHANGED", "shorter.txt"), ("FILE_MISSING", "gone.txt"),
                ("MALFORMED", "file")]  # fmt: skip
    assert sorted((entry["reason"], entry["field"]) for entry in receipt["refusals"]) == expected
    shown = ask(site.server.http_url, "GetRun", name=f"local/{P}/lost")["refusals"]
    assert sorted((entry["reason"], entry["field"]) for entry in shown) == expected
    assert sorted(listed(site, "lost")) == ["good.txt", "twin.txt"]
    assert steps(site, "lost") == [0]


def test_I2_a_record_that_is_read_again_after_its_copy_was_deleted_goes_out_again(site: Site, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "again")
    writer.save("a.txt", b"again")
    writer.row(0)
    forwarder_sends = forwarding(site, writer.run_dir)
    with forwarder_sends:
        wait_until(lambda: not (writer.files / "a.txt").exists())
        writer.end()
    copy = tmp_path / "copy"
    copy.mkdir()
    second = Writer(copy / "again")
    second.save("a.txt", b"again", copy=False)
    second.row(0)
    second.end()
    receipt = forward(site, second.run_dir).receipts["r0"]
    assert (receipt["refused"], receipt["complete"]) == (0, True)


async def meanwhile(most_s: float) -> None:
    await asyncio.sleep(0.01)


def named(path: str, data: bytes) -> Chunk:
    said = {"path": path, "size": str(len(data)), "sha256": hashlib.sha256(data).hexdigest()}
    return Chunk(5, 5, records=[(5, {"file": said})])


def test_I3_values_that_are_no_numbers_are_points_of_the_account(site: Site, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "account")
    writer.row(0)
    for step, values in enumerate([{"a": "x", "b": None}, {"a\nb": 1, "c": "y"}, {"d": [1]}]):
        row = {"step": str(step), "timestampMs": "1700000000000", "json": json.dumps(values)}
        writer.spool.append_record({"history": row})
    writer.spool.append_record({"history": {"json": "[]"}})
    line = {"number": "0", "timeUs": "1700000000000000", "stream": "STREAM_STDERR", "text": "oh"}
    writer.spool.append_record({"console": {"lines": [line]}})
    writer.spool.append_record({"alert": {"title": "t", "level": "LEVEL_ERROR"}})
    writer.spool.append_record({"document": {"kind": "KIND_METRICS", "json": '{"a": {"summary": ["none"]}}'}})
    writer.end()
    receipt = forward(site, writer.run_dir).receipts["r0"]
    assert (receipt["sent"], receipt["stored"], receipt["refused"]) == (7, 5, 2)
    run = ask(site.server.http_url, "GetRun", name=f"local/{P}/account")
    assert run["run"]["summary"] == {"b": None, "c": "y", "d": [1]}
    assert run["alertCount"] == "1"
    (found,) = ask(site.server.http_url, "GetConsole", run=f"local/{P}/account")["lines"]
    assert (found["text"], found["isStderr"]) == ("oh", True)


def test_a_server_that_refuses_the_key_is_not_asked_for_ever(site: Site, tmp_path: Path) -> None:
    files = uploads.Uploads(tmp_path, f"-/{P}", site.server.http_url, "rs-nobody-knows-me")
    with pytest.raises(uploads.UploadRefused, match="not known here"):
        asyncio.run(files.before_sending(named("a.txt", b"x"), meanwhile, lambda: None))


def test_servers_that_do_not_answer_are_passed_over(site: Site, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "several")
    writer.save("a.txt", b"several")
    writer.end()
    forward(site, writer.run_dir, base_url=f"http://127.0.0.1:9,{site.server.http_url}")
    assert list(listed(site, "several")) == ["a.txt"]


def test_what_stands_at_a_copys_place_by_now_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "plan_uploads", lambda *args: [])
    (tmp_path / "files").mkdir()
    path = tmp_path / "files" / "a.txt"
    path.write_bytes(b"old")
    files = uploads.Uploads(tmp_path, "-/p", "http://x", "")
    asyncio.run(files.before_sending(named("a.txt", b"old"), meanwhile, lambda: None))
    (tmp_path / "files" / "new").write_bytes(b"new")
    (tmp_path / "files" / "new").rename(path)
    files.acked(4)
    files.acked(5)
    assert path.read_bytes() == b"new"
