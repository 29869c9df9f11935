"""Files of runs on a real S3: listed, led to with their type, only for those who may, never out of their run."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import pytest
from support.hosting import hosted
from support.writing import open_message, publish, said

from artifact_svc.layout import blob
from artifact_svc.server import build as build_artifacts
from ingest.server import build as build_ingest
from ingest.settings import Settings as IngestSettings
from query.server import build as build_query
from query.settings import Settings as QuerySettings
from runstream import rpc_client
from runstream.errors import InvalidField, NotAllowed
from runstream.service.caller import Role
from runstream.service.host import Addresses
from runstream.service.keys import make_key
from runstream.store.client import Store
from runstream.store.s3 import S3
from runstream.store.seaweed import Seaweed
from runstream.v1 import record_pb2

P = "files"


class Site(NamedTuple):
    """A server with keys, its S3, and the keys of two teams."""

    addresses: Addresses
    s3: S3
    own: str
    other: str


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    seaweed = Seaweed(tmp_path_factory.mktemp("s3"))
    s3 = S3(seaweed.url)
    keys = [make_key(store, entity, "", Role.WRITER)[0] for entity in ("files-a", "files-b")]
    services = [
        build_ingest(store, IngestSettings(flush_age_s=0.02)),
        build_query(store, QuerySettings()),
        build_artifacts(S3(seaweed.url), store),
    ]
    with hosted(services, store, allows_keyless=False) as addresses:
        yield Site(addresses, s3, *keys)
    s3.close()
    seaweed.stop()


def file(seq: int, path: str, data: bytes, media_type: str = "", time_us: int = 0) -> record_pb2.Record:
    made = record_pb2.RunFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest(), media_type=media_type)
    return record_pb2.Record(seq=seq, time_us=time_us or seq, file=made)


def write(site: Site, run: str, *records: record_pb2.Record, **fields: Any) -> list[Any]:
    return publish(site.addresses.grpc, [open_message(run, project=P, **fields), said(*records)], key=site.own)


def put(site: Site, data: bytes) -> None:
    site.s3.put(blob("files-a", P, hashlib.sha256(data).hexdigest()), data)


def call(site: Site, method: str, *, key: str = "", **request: Any) -> dict[str, Any]:
    return rpc_client.call(site.addresses.http_url, method, request, api_key=key or site.own)


def get(site: Site, path: str, key: str) -> tuple[int, dict[str, str], bytes]:
    """One request, without following; a client that would clean up the path is not used."""
    parts = urlsplit(site.addresses.http_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def test_a_file_is_led_to_with_its_type_and_name(site: Site) -> None:
    data = b"\x89PNG\r\n"
    put(site, data)
    write(site, "r", file(1, "media/ü 1.png", data, "image/png"))
    (listed,) = call(site, "QueryService/ListFiles", run=f"-/{P}/r")["files"]
    assert listed["url"] == f"/files/files-a/{P}/r/media/%C3%BC%201.png"
    assert (listed["path"], listed["size"], listed["mediaType"]) == ("media/ü 1.png", str(len(data)), "image/png")
    status, headers, _ = get(site, listed["url"], site.own)
    assert status == 302
    with urllib.request.urlopen(headers["Location"], timeout=10) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (data, "image/png")
        assert answer.headers["Content-Disposition"].endswith(quote("ü 1.png"))
    (link,) = call(site, "ArtifactService/GetFileLinks", run=f"files-a/{P}/r", paths=["none", "media/ü 1.png"])["links"]
    with urllib.request.urlopen(link["url"], timeout=10) as answer:
        assert answer.read() == data


def test_I9_nobody_else_is_led_to_it(site: Site) -> None:
    put(site, b"secret")
    write(site, "private", file(1, "s.txt", b"secret"))
    path = f"/files/files-a/{P}/private/s.txt"
    assert [get(site, path, key)[0] for key in (site.own, site.other, "", "rs-nobody")] == [302, 403, 401, 401]
    assert get(site, f"/files/-/{P}/private/s.txt", site.other)[0] == 404
    for method, request in (
        ("QueryService/ListFiles", {"run": f"files-a/{P}/private"}),
        ("ArtifactService/GetFileLinks", {"run": f"files-a/{P}/private", "paths": ["s.txt"]}),
        ("QueryService/GetConsole", {"run": f"files-a/{P}/private"}),
        ("QueryService/ListAlerts", {"project": f"files-a/{P}"}),
        ("QueryService/GetHistoryValues", {"runs": [f"files-a/{P}/private"], "keys": ["a"]}),
    ):
        with pytest.raises(NotAllowed):
            call(site, method, key=site.other, **request)


@pytest.mark.parametrize(
    "path", ["../r/x", "a/../x", "%2e%2e/x", "a/%2e%2e/x", "a//x", "a/./x", "a%00b", "a%5cb", "x" * 1025]
)
def test_a_path_that_leads_elsewhere_is_refused(site: Site, path: str) -> None:
    assert get(site, f"/files/files-a/{P}/r/{path}", site.own)[0] in (400, 404)
    with pytest.raises(InvalidField, match=r"paths\[0\]"):
        call(site, "ArtifactService/GetFileLinks", run=f"-/{P}/r", paths=[unquote(path)])


def test_I2_the_newest_of_a_path_stays_whatever_is_replayed(site: Site) -> None:
    old, new = file(1, "log.txt", b"old", time_us=100), file(2, "log.txt", b"new", time_us=200)
    for records in ([new], [old], [old, new], [old]):
        write(site, "again", *records)
    write(site, "again", file(1, "log.txt", b"older still, of another rank", time_us=50), rank=1, writer="w1")
    (listed,) = call(site, "QueryService/ListFiles", run=f"-/{P}/again")["files"]
    assert listed["sha256"] == hashlib.sha256(b"new").hexdigest()
    assert call(site, "QueryService/GetRun", name=f"-/{P}/again")["fileCount"] == "1"


def test_files_come_page_by_page_and_by_prefix(site: Site) -> None:
    paths = [f"{folder}/{number:02d}.txt" for folder in "ab" for number in range(7)]
    write(site, "pages", *(file(seq + 1, path, path.encode()) for seq, path in enumerate(paths)))
    found, token = [], ""
    while True:
        answer = call(site, "QueryService/ListFiles", run=f"-/{P}/pages", pageSize=4, pageToken=token)
        found += [each["path"] for each in answer["files"]]
        token = answer.get("nextPageToken", "")
        if not token:
            break
    assert found == paths
    under = call(site, "QueryService/ListFiles", run=f"-/{P}/pages", prefix="b/")["files"]
    assert [each["path"] for each in under] == paths[7:]


def test_a_bad_path_is_refused_and_the_rest_stored(site: Site) -> None:
    answers = write(site, "bad", file(1, "../up", b"x"), file(2, "good", b"x"))
    assert [answer.refusal.field for answer in answers if answer.HasField("refusal")] == ["file.path"]
    assert [each["path"] for each in call(site, "QueryService/ListFiles", run=f"-/{P}/bad")["files"]] == ["good"]


def alert(seq: int, title: str, level: str, time_us: int) -> record_pb2.Record:
    number = record_pb2.Alert.Level.Value(f"LEVEL_{level}")
    return record_pb2.Record(seq=seq, time_us=time_us, alert=record_pb2.Alert(title=title, text="why", level=number))


def test_alerts_are_listed_once_newest_first_over_runs(site: Site) -> None:
    for _ in range(2):
        write(site, "loud", *(alert(seq, f"loud {seq}", "WARN", seq * 10) for seq in range(1, 6)))
        write(site, "calm", alert(1, "calm", "ERROR", 35))
    found, token = [], ""
    while True:
        answer = call(site, "QueryService/ListAlerts", project=f"-/{P}", pageSize=2, pageToken=token)
        found += [(each["run"].rsplit("/", 1)[1], each["title"], each["level"]) for each in answer["alerts"]]
        token = answer.get("nextPageToken", "")
        if not token:
            break
    loud = [("loud", f"loud {seq}", "warn") for seq in (5, 4, 3, 2, 1)]
    assert found == [*loud[:2], ("calm", "calm", "error"), *loud[2:]]
    (one,) = call(site, "QueryService/ListAlerts", runs=[f"-/{P}/calm"])["alerts"]
    assert (one["createTime"], one["text"]) == ("1970-01-01T00:00:00.000035Z", "why")
    assert call(site, "QueryService/GetRun", name=f"-/{P}/loud")["alertCount"] == "5"


def test_a_file_of_no_bytes_and_a_name_like_a_header(site: Site) -> None:
    put(site, b"")
    name = "a\"; filename=evil'.txt"
    write(site, "odd", file(1, name, b"", "text/plain; charset=utf-8"))
    (listed,) = call(site, "QueryService/ListFiles", run=f"-/{P}/odd")["files"]
    _, headers, _ = get(site, listed["url"], site.own)
    with urllib.request.urlopen(headers["Location"], timeout=10) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"", "text/plain; charset=utf-8")
        assert answer.headers["Content-Disposition"] == f"inline; filename*=UTF-8''{quote(name, safe='')}"
