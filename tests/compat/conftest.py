"""One server for what is trained here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.worlds import World, laptop


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """``runstream server``."""
    data: Path = tmp_path_factory.mktemp("server")
    with laptop(data) as world:
        yield world
