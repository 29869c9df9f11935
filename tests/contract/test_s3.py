"""What every S3 must do for us, on SeaweedFS."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from artifact_svc import versions
from artifact_svc.layout import Collection
from runstream.errors import Conflict, InvalidField, NotFound, StorageUnavailable
from runstream.store.s3 import S3
from runstream.store.seaweed import Seaweed
from runstream.v1.artifact_pb2 import ArtifactVersion


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    seaweed = Seaweed(tmp_path_factory.mktemp("s3"))
    opened = S3(seaweed.url)
    opened.ensure_bucket()
    yield opened
    opened.close()
    seaweed.stop()


def test_objects_come_back(s3: S3) -> None:
    s3.put("a/b c/ü", b"\x00x")
    assert s3.get("a/b c/ü") == b"\x00x"
    head = s3.head("a/b c/ü")
    assert head is not None
    assert head.size == 2
    assert s3.head("a/none") is None
    with pytest.raises(NotFound, match="a/none"):
        s3.get("a/none")


def test_I11_of_all_that_create_at_once_exactly_one_succeeds(s3: S3) -> None:
    def create(number: int) -> bool:
        try:
            s3.create("race", str(number).encode())
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        won = [number for number, is_won in enumerate(threads.map(create, range(32))) if is_won]
    assert len(won) == 1
    assert s3.get("race") == str(won[0]).encode()


def test_lists_page_by_page_in_order(s3: S3) -> None:
    names = [f"list/{number:05d}" for number in range(1005)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda name: s3.put(name, b""), names))
    assert list(s3.list("list/")) == names
    assert list(s3.list("list/", after=names[999])) == names[1000:]


def test_presigned_urls_take_exactly_the_promised_size(s3: S3) -> None:
    url, headers = s3.presigned_put("up", 5)

    def send(body: bytes) -> int:
        request = urllib.request.Request(
            url, body, {"Content-Type": "application/octet-stream", **headers, "Content-Length": str(len(body))},
            method="PUT",
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert send(b"too long") == 403
    assert s3.head("up") is None
    assert send(b"right") == 200
    with urllib.request.urlopen(s3.presigned_get("up"), timeout=10) as answer:
        assert answer.read() == b"right"


def test_a_presigned_url_answers_with_the_type_and_name_it_was_made_for(s3: S3) -> None:
    s3.put("typed", b"x")
    url = s3.presigned_get("typed", media_type="image/png", file_name='ü "1".png')
    # A page of another origin may read it, as the dashboard does.
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Origin": "http://x"}), timeout=10) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Disposition"] == "inline; filename*=UTF-8''%C3%BC%20%221%22.png"
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", "http://x")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("image%2Fpng", "text%2Fhtml"), timeout=10)
    with caught.value as refused:
        assert refused.code == 403


def test_nobody_there_and_no_rights_are_told_apart() -> None:
    gone = S3("s3://key:secret@bucket?endpoint=http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        gone.get("x")
    assert not gone.ping()
    gone.close()


def test_I11_version_numbers_have_no_gaps_and_no_doubles_under_a_storm(s3: S3) -> None:
    collection = Collection("e", "p", "storm")

    def commit(number: int) -> int:
        return versions.commit(s3, collection, ArtifactVersion(type="model", digest=f"digest-{number}"))[0]

    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(commit, range(24)))
    assert sorted(numbers) == list(range(24))
    assert versions.newest(s3, collection) == 23
    listed = list(versions.listed(s3, collection, None, 100))
    assert [version.number for version in listed] == list(range(23, -1, -1))
    assert len({version.digest for version in listed}) == 24


def test_the_same_files_again_make_no_version_and_another_type_is_refused(s3: S3) -> None:
    collection = Collection("e", "p", "same")
    assert versions.commit(s3, collection, ArtifactVersion(type="model", digest="d")) == (0, True)
    assert versions.commit(s3, collection, ArtifactVersion(type="model", digest="d")) == (0, False)
    with pytest.raises(InvalidField, match="type: is 'model' for e/p/same, not 'dataset'"):
        versions.commit(s3, collection, ArtifactVersion(type="dataset", digest="other"))


def test_aliases_move_and_labels_resolve(s3: S3) -> None:
    collection = Collection("e", "p", "labels")
    for digest in "abc":
        versions.commit(s3, collection, ArtifactVersion(type="model", digest=digest))
    versions.set_alias(s3, collection, "best", 0)
    versions.set_alias(s3, collection, "best", 1)
    assert versions.aliases(s3, collection) == {"best": 1}
    assert [versions.resolve(s3, collection, label) for label in ("latest", "best", "v0")] == [2, 1, 0]
    with pytest.raises(NotFound, match="runstream artifact ls"):
        versions.resolve(s3, collection, "worst")
    with pytest.raises(NotFound):
        versions.read(s3, collection, 9)
