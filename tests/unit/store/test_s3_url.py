"""The S3 address."""

from __future__ import annotations

import pytest

from runstream.errors import InvalidField
from runstream.store.s3 import S3


@pytest.mark.parametrize("url", ["", "http://bucket", "s3://", "s3://bucket?endpiont=http://x"])
def test_another_form_is_refused_without_showing_secrets(url: str) -> None:
    with pytest.raises(InvalidField, match="s3"):
        S3(url)


def test_clients_get_urls_of_the_address_they_reach() -> None:
    s3 = S3("s3://key:secret@bucket?endpoint=http://inside:1&public_endpoint=http://outside:2")
    assert s3.presigned_get("a").startswith("http://outside:2/bucket/a?")
    s3.close()
