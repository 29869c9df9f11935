"""What a failure means is read from its code; what is not known may be tried again."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from runstream.errors import InvalidField, StorageUnavailable
from runstream.store.outcome import Outcome, classify, code_of, read_error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (DatabaseError("Code: 252. DB::Exception: Too many parts"), Outcome.OVERLOADED),
        (DatabaseError("HTTPDriver returned response code 500: Code: 241."), Outcome.OVERLOADED),
        (DatabaseError("Code: 242. DB::Exception: readonly"), Outcome.UNAVAILABLE),
        (DatabaseError("Code: 243. no space"), Outcome.UNAVAILABLE),
        (DatabaseError("Code: 319. unknown status of insert"), Outcome.UNKNOWN),
        (DatabaseError("Code: 4242. never heard of"), Outcome.UNKNOWN),
        (OperationalError("connection reset by peer"), Outcome.UNKNOWN),
        (ConnectionResetError(104, "reset"), Outcome.UNKNOWN),
        (StorageUnavailable("cannot open"), Outcome.UNAVAILABLE),
        (DatabaseError("Code: 27. cannot parse input"), Outcome.PERMANENT),
        (DatabaseError("Code: 60. unknown table"), Outcome.PERMANENT),
        (ValueError("our own rows cannot be built"), Outcome.PERMANENT),
    ],
)
def test_classes(error: Exception, outcome: Outcome) -> None:
    assert classify(error) is outcome


def test_codes_are_found_in_texts_and_attributes() -> None:
    assert code_of(DatabaseError("error code 60\nCode: 60.")) == 60
    assert code_of(ValueError("nothing")) is None


def test_a_read_past_its_limits_is_the_callers_to_change() -> None:
    assert isinstance(read_error(DatabaseError("Code: 159. timeout")), InvalidField)
    assert isinstance(read_error(DatabaseError("Code: 241. memory")), InvalidField)
    assert isinstance(read_error(DatabaseError("Code: 209. network")), StorageUnavailable)
