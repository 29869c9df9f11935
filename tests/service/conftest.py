"""Ingest and query in this process, on the session's store, without keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.hosting import hosted

from ingest.server import build as build_ingest
from ingest.settings import Settings as IngestSettings
from query.server import build as build_query
from query.settings import Settings as QuerySettings
from runstream.service.host import Addresses
from runstream.store.client import Store


@pytest.fixture(scope="session")
def server(store: Store) -> Iterator[Addresses]:
    """A server whose limits are small enough to be met."""
    settings = IngestSettings(max_batch_points=1000, flush_age_s=0.02)
    with hosted([build_ingest(store, settings), build_query(store, QuerySettings())], store) as addresses:
        yield addresses
