"""What one API key may use."""

from __future__ import annotations

import pytest

from ingest.quotas import Quotas
from ingest.settings import Settings
from runstream.errors import QuotaExceeded


def test_streams_are_counted_by_api_key_and_given_back() -> None:
    quotas = Quotas(Settings(max_streams_per_api_key=2))
    quotas.open_stream("a")
    assert quotas.open_stream("a") is not quotas.open_stream("b")
    with pytest.raises(QuotaExceeded, match="2 streams"):
        quotas.open_stream("a")
    quotas.close_stream("a")
    assert quotas.open_stream("a").streams == 2


def test_a_name_is_kept_once_for_all_streams_and_freed_with_the_last() -> None:
    usage = Quotas(Settings(max_name_bytes_per_api_key=400)).open_stream("a")
    first, again = usage.hold("loss" * 2), usage.hold("loss" + "loss")
    assert first is again
    usage.hold("other")
    with pytest.raises(QuotaExceeded, match="2 different metric keys"):
        usage.hold("third")
    usage.release([first])
    with pytest.raises(QuotaExceeded):
        usage.hold("third")
    usage.release([again])
    assert usage.hold("third") == "third"


def test_a_rate_is_kept_over_time_after_a_burst_of_a_second() -> None:
    usage = Quotas(Settings(max_points_per_s_per_api_key=100)).open_stream("a")
    assert usage.pace_s(100, now_s=10.0) == 0.0
    assert usage.pace_s(50, now_s=10.0) == pytest.approx(0.5)
    assert usage.pace_s(50, now_s=10.5) == pytest.approx(0.5)
    assert usage.pace_s(0, now_s=20.0) == 0.0


def test_without_a_rate_nobody_waits() -> None:
    assert Quotas(Settings()).open_stream("a").pace_s(10**9, now_s=0.0) == 0.0
