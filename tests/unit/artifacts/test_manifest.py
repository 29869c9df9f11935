"""Manifests: what a file in one may be called, and a digest that depends on files alone."""

from __future__ import annotations

import random

import pytest

from artifact_svc.layout import Collection, blob, check_name, version_number
from artifact_svc.manifest import MAX_ENTRIES, check_entries, digest
from runstream.errors import InvalidField
from runstream.names import path_problem
from runstream.v1.artifact_pb2 import ManifestEntry

SHA = "a" * 64


@pytest.mark.parametrize("path", ["a", "a/b.txt", "ü/ b", ".hidden", "a..b"])
def test_good_paths(path: str) -> None:
    assert path_problem(path) is None


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\\b", "a\x00", "x" * 1025])
def test_bad_paths(path: str) -> None:
    assert path_problem(path)
    with pytest.raises(InvalidField, match=r"entries\[1\]\.path"):
        check_entries([ManifestEntry(path="ok", sha256=SHA), ManifestEntry(path=path, sha256=SHA)], with_paths=True)


def test_digests_and_counts_are_checked() -> None:
    for bad in ("", "A" * 64, "a" * 63):
        with pytest.raises(InvalidField, match=r"entries\[0\]\.sha256"):
            check_entries([ManifestEntry(path="a", sha256=bad)], with_paths=False)
    with pytest.raises(InvalidField, match=r"entries\[0\]\.md5"):
        check_entries([ManifestEntry(path="a", sha256=SHA, md5="x")], with_paths=False)
    with pytest.raises(InvalidField, match="distinct"):
        check_entries([ManifestEntry(path="a", sha256=SHA)] * 2, with_paths=True)
    for count in (0, MAX_ENTRIES + 1):
        with pytest.raises(InvalidField, match="entries"):
            check_entries([ManifestEntry(path="a", sha256=SHA)] * count, with_paths=False)


def test_the_digest_knows_files_not_their_order() -> None:
    entries = [ManifestEntry(path=f"f{i}", sha256=SHA, size=i, md5="0" * 32) for i in range(10)]
    shuffled = random.Random(0).sample(entries, 10)
    before = digest(entries)
    assert digest(shuffled) == before
    entries[3].size += 1
    assert digest(entries) != before


def test_layout_keeps_entities_and_projects_apart() -> None:
    assert blob("a/b", "c", SHA) != blob("a", "b/c", SHA)
    assert Collection("e", "p", "c").version(3).endswith("/versions/0000000003")
    assert (version_number("v12"), version_number("best"), version_number("v")) == (12, None, None)
    for bad in ("", "a/b", "..", "ü", "x" * 129):
        with pytest.raises(InvalidField, match="collection"):
            check_name("collection", bad)
