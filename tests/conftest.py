"""Fixtures that several suites share. chDB has one path a process, so each pytest worker has one store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from support.worlds import WORLDS, World

from runstream.store.client import Store
from runstream.store.migrate import migrate

# No test looks at a clock: machines of CI are shared.
hypothesis.settings.register_profile("runstream", deadline=None, print_blob=True)
hypothesis.settings.load_profile("runstream")


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of the machine's user; broken invariants raise; pytest's output is its own."""
    monkeypatch.setenv("RUNSTREAM_CAPTURE", "none")
    monkeypatch.setenv("RUNSTREAM_CONFIG", "/nonexistent")
    monkeypatch.setenv("RUNSTREAM_CHECK", "raise")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A migrated store on chDB; tests keep apart by entity and project."""
    opened = Store(f"chdb://{tmp_path_factory.mktemp('store')}/chdb")
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="session", params=sorted(WORLDS))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The same tests in every world."""
    data: Path = tmp_path_factory.mktemp(request.param)
    with WORLDS[request.param](data) as made:
        yield made
