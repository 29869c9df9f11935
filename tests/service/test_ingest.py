"""What hostile and unlucky clients get, and that it costs nobody else anything (I10)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from support.asking import ask, points
from support.writing import acks, batch, open_message, publish

from runstream.service.host import Addresses
from runstream.v1 import ingest_pb2, record_pb2


def code_of(caught: pytest.ExceptionInfo[grpc.RpcError]) -> grpc.StatusCode:
    return caught.value.code()  # type: ignore[no-any-return]


def refused(server: Addresses, requests: list[Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        publish(server.grpc, requests)
    return code_of(caught), str(caught.value.details())


def test_the_first_message_must_be_open(server: Addresses) -> None:
    for first in (batch(1, [(0, 1.0)]), ingest_pb2.PublishRequest()):
        code, text = refused(server, [first])
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "open" in text


@pytest.mark.parametrize(("field", "value"), [("project", "a/b"), ("run", ""), ("writer", ""), ("entity", "x" * 200)])
def test_a_bad_name_is_refused_by_field(server: Addresses, field: str, value: str) -> None:
    fields = {"run": "r", field: value}
    code, text = refused(server, [open_message(fields.pop("run"), **fields)])
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text.startswith(f"{field}: ")


def test_a_sequence_that_goes_back_ends_the_stream_and_what_was_before_is_stored(server: Addresses) -> None:
    requests = [open_message("back", project="ingest"), batch(5, [(0, 1.0)]), batch(5, [(1, 2.0)])]
    code, text = refused(server, requests)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "first_seq" in text
    publish(server.grpc, [open_message("back", project="ingest"), batch(5, [(0, 1.0)])])
    assert points(server.http_url, "local/ingest/back", ["a"]) == {("a", 0): {0: 1.0}}


def test_I2_the_same_batches_again_and_again_are_stored_once(server: Addresses) -> None:
    requests = [open_message("again", project="ingest"), *(batch(i * 10 + 1, [(i, i / 2)]) for i in range(5))]
    for _ in range(3):
        assert acks(publish(server.grpc, requests))[-1] == 41
    assert points(server.http_url, "local/ingest/again", ["a"]) == {("a", 0): {i: i / 2 for i in range(5)}}


def test_I10_a_bad_batch_is_refused_alone_with_field_and_limit(server: Addresses) -> None:
    too_many = batch(2, [(step, 0.0) for step in range(1001)])
    broken = batch(2000, [(1, 1.0)])
    broken.batch.blocks[0].values.append(5.0)
    answers = publish(
        server.grpc,
        [open_message("bad", project="ingest"), batch(1, [(0, 1.0)]), too_many, broken, batch(3000, [(9, 9.0)])],
    )
    refusals = [answer.refusal for answer in answers if answer.HasField("refusal")]
    assert [(refusal.reason, refusal.count) for refusal in refusals] == [
        (record_pb2.REFUSAL_REASON_TOO_LARGE, 1001),
        (record_pb2.REFUSAL_REASON_MALFORMED, 2),
    ]
    assert "1000" in refusals[0].message
    assert acks(answers)[-1] == 3000
    assert points(server.http_url, "local/ingest/bad", ["a"]) == {("a", 0): {0: 1.0, 9: 9.0}}
    shown = ask(server.http_url, "GetRun", name="local/ingest/bad")["refusals"]
    assert {(entry["reason"], entry["count"]) for entry in shown} == {("TOO_LARGE", "1001"), ("MALFORMED", "2")}


def test_a_message_past_the_limit_is_refused_and_the_server_goes_on(server: Addresses) -> None:
    giant = batch(1, [(0, 1.0)])
    giant.batch.blocks[0].values.extend([0.0] * (9 << 20))
    code, _ = refused(server, [open_message("giant", project="ingest"), giant])
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert acks(publish(server.grpc, [open_message("after", project="ingest"), batch(1, [(0, 1.0)])])) == [1]


def test_I10_idle_streams_hold_nobody_up(server: Addresses) -> None:
    done = threading.Event()

    def forever(number: int) -> Iterator[ingest_pb2.PublishRequest]:
        yield open_message(f"idle-{number}", project="ingest")
        done.wait(20)

    def hold(number: int) -> None:
        publish(server.grpc, forever(number))

    threads = [threading.Thread(target=hold, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    try:
        assert acks(publish(server.grpc, [open_message("busy", project="ingest"), batch(1, [(0, 1.0)])])) == [1]
    finally:
        done.set()
        for thread in threads:
            thread.join(20)


def test_bytes_that_are_no_message_end_one_call_only(server: Addresses) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        raw = channel.stream_stream("/runstream.v1.IngestService/Publish")
        with pytest.raises(grpc.RpcError):
            list(raw(iter([b"\xff\xff\xff"]), timeout=10))
    assert acks(publish(server.grpc, [open_message("sound", project="ingest"), batch(1, [(0, 1.0)])])) == [1]
