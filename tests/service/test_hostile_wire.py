"""Wire bytes no sound client would send, over a real connection to a real engine: one clear answer, nobody else's cost.

Field numbers are those of the protos; messages with invalid UTF-8 are put together by hand, as protobuf makes none.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.asking import ask, history, points
from support.hostile import REQUESTS
from support.writing import acks, batch, open_message, publish

from runstream.service.host import Addresses
from runstream.v1 import ingest_pb2, record_pb2

BAD_UTF8 = [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\x80"]


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field, shorter than 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def publish_raw(server: Addresses, messages: list[bytes]) -> tuple[grpc.StatusCode, str]:
    with grpc.insecure_channel(server.grpc) as channel:
        call = channel.stream_stream("/runstream.v1.IngestService/Publish")
        with pytest.raises(grpc.RpcError) as caught:
            list(call(iter(messages), timeout=20))
    return caught.value.code(), str(caught.value.details())


OPEN = open_message("utf8", project="wire").SerializeToString()
# name: what comes before, and the message around the string
STRINGS = {
    "open.entity": ([], lambda text: field(1, field(1, text))),
    "open.project": ([], lambda text: field(1, field(2, text))),
    "open.run": ([], lambda text: field(1, field(3, text))),
    "open.writer": ([], lambda text: field(1, field(7, text))),
    "open.host": ([], lambda text: field(1, field(8, text))),
    "key": ([OPEN], lambda text: field(2, field(3, field(2, text)))),
    "run.display_name": ([OPEN], lambda text: field(2, field(5, field(3, field(1, text))))),
    "run.tags": ([OPEN], lambda text: field(2, field(5, field(3, field(5, field(1, text)))))),
    "document.json": ([OPEN], lambda text: field(2, field(5, field(4, field(2, text))))),
    "refused.message": ([OPEN], lambda text: field(2, field(5, field(6, field(3, text))))),
}


@pytest.mark.parametrize("text", BAD_UTF8)
@pytest.mark.parametrize("name", STRINGS)
def test_I10_invalid_utf8_ends_its_call_with_invalid_argument(server: Addresses, name: str, text: bytes) -> None:
    before, around = STRINGS[name]
    code, details = publish_raw(server, [*before, around(text)])
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.startswith("message: is no PublishRequest")


BROKEN = [b"\xff\xff\xff", b"\x0a", b"\x0a\x7f", b"\x12\x02\x08", b"\x08" + b"\xff" * 11, b"\x0f"]


@pytest.mark.parametrize("message", BROKEN)
def test_I10_bytes_that_are_no_message_are_an_invalid_argument_first_and_later(
    server: Addresses, message: bytes
) -> None:
    for before in ([], [OPEN]):
        assert publish_raw(server, [*before, message])[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_I10_another_stream_goes_on_while_one_breaks(server: Addresses) -> None:
    broke = threading.Event()

    def requests() -> Iterator[ingest_pb2.PublishRequest]:
        yield open_message("beside", project="wire")
        yield batch(1, [(0, 1.0)])
        broke.wait(20)
        yield batch(2, [(1, 2.0)])

    answers: list[ingest_pb2.PublishResponse] = []
    other = threading.Thread(target=lambda: answers.extend(publish(server.grpc, requests())))
    other.start()
    try:
        for name, (before, around) in STRINGS.items():
            assert publish_raw(server, [*before, around(BAD_UTF8[0])])[0] is grpc.StatusCode.INVALID_ARGUMENT, name
    finally:
        broke.set()
        other.join(20)
    assert acks(answers)[-1] == 2
    assert points(server.http_url, "local/wire/beside", ["a"]) == {("a", 0): {0: 1.0, 1: 2.0}}


def test_what_came_before_broken_bytes_is_stored(server: Addresses) -> None:
    first = open_message("before", project="wire").SerializeToString()
    publish_raw(server, [first, batch(1, [(0, 1.0)]).SerializeToString(), b"\xff\xff"])
    publish(server.grpc, [open_message("before", project="wire"), batch(2, [(1, 2.0)])])
    assert points(server.http_url, "local/wire/before", ["a"])["a", 0][1] == 2.0


LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1


def test_steps_at_the_ends_of_int64_are_stored_and_read_back(server: Addresses) -> None:
    steps = [LOWEST, LOWEST + 1, -1, 0, HIGHEST - 1, HIGHEST]
    block = record_pb2.Block(
        key_ids=[1],
        steps=steps,
        timestamps_ms=[1_700_000_000_000] * 6,
        values=range(6),
        seq_offsets=range(6),
    )
    extreme = ingest_pb2.Batch(
        first_seq=1,
        last_seq_inclusive=6,
        new_keys=[ingest_pb2.KeyDefinition(id=1, key="a")],
        blocks=[block],
    )
    answers = publish(server.grpc, [open_message("steps", project="wire"), ingest_pb2.PublishRequest(batch=extreme)])
    assert acks(answers) == [6]
    assert not [answer for answer in answers if answer.HasField("refusal")]
    stored = points(server.http_url, "local/wire/steps", ["a"])
    assert stored == {("a", 0): {step: float(value) for value, step in enumerate(steps)}}
    (curve,) = history(server.http_url, runs=["local/wire/steps"], keys=["a"], max_buckets=2)
    assert sum(curve.count) == 6
    assert (min(curve.min), max(curve.max)) == (0.0, 5.0)
    assert ask(server.http_url, "GetRun", name="local/wire/steps")["run"]["lastStep"] == str(HIGHEST)


@pytest.mark.parametrize("time_ms", [LOWEST, -1, HIGHEST])
def test_times_past_what_a_column_holds_are_refused_alone(server: Addresses, time_ms: int) -> None:
    bad, run = batch(2, [(1, 2.0)]), f"times-{time_ms}"
    bad.batch.blocks[0].timestamps_ms[0] = time_ms
    answers = publish(server.grpc, [open_message(run, project="wire"), batch(1, [(0, 1.0)]), bad])
    (refusal,) = [answer.refusal for answer in answers if answer.HasField("refusal")]
    assert refusal.reason == record_pb2.REFUSAL_REASON_OUT_OF_RANGE
    assert points(server.http_url, f"local/wire/{run}", ["a"]) == {("a", 0): {0: 1.0}}


@pytest.mark.parametrize(
    "fields",
    [
        {"attempt": (1 << 32) - 1, "rank": (1 << 32) - 1, "world_size": (1 << 32) - 1, "process_id": (1 << 32) - 1},
        {"started_us": 0},
        {"started_us": 10_413_791_999_999_999},
        {"host": "\0" * 1000},
        {"state": record_pb2.WriterState(state=77, exit_code=-(1 << 31))},  # type: ignore[arg-type]
        {"attempt": 0},
        {"world_size": 0},
    ],
    ids=range(7),
)
def test_the_ends_of_what_an_open_may_say_are_stored_and_shown(
    server: Addresses, request: pytest.FixtureRequest, fields: dict[str, object]
) -> None:
    run = f"open-{request.node.callspec.id}"
    publish(server.grpc, [open_message(run, project="wire", **fields), batch(1, [(0, 1.0)])])
    shown = ask(server.http_url, "GetRun", name=f"local/wire/{run}")
    assert len(shown["writers"]) == 1
    assert [curve.last for curve in history(server.http_url, runs=[f"local/wire/{run}"], keys=["a"])] == [[1.0]]


DOCUMENTS = ["{}", '{"a.b": 1, "a": {"b": 2}}', '{"": {"": 1}, ".": 2}', '{"a": "\\u0000"}', '{"\\u0000": 1}',
             '{"a": [1, "x", {}, [2], null]}', '{"`": 1, "a": 1, "A": 2}', '{"a": 18446744073709551616}',
             '{"a": ' + "9" * 300 + "}",
             '{"a":' * 30 + "1" + "}" * 30, '{"a":' + "[" * 29 + "]" * 29 + "}"]  # fmt: skip


@pytest.mark.parametrize("text", DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_a_config_that_is_taken_is_stored_with_its_batch_and_given_back(
    server: Addresses, request: pytest.FixtureRequest, text: str
) -> None:
    run = f"document-{request.node.callspec.id}"
    with_config = batch(1, [(0, 1.0)], last=2)
    config = record_pb2.Document(kind=record_pb2.Document.KIND_CONFIG, json=text)
    with_config.batch.records.append(record_pb2.Record(seq=2, time_us=7, document=config))
    answers = publish(server.grpc, [open_message(run, project="wire"), with_config])
    assert not [answer for answer in answers if answer.HasField("refusal")]
    assert points(server.http_url, f"local/wire/{run}", ["a"]) == {("a", 0): {0: 1.0}}
    shown = ask(server.http_url, "GetRun", name=f"local/wire/{run}")["run"].get("config", {})
    assert shown == json.loads(text, parse_int=float)


def test_I3_two_refusals_of_one_batch_are_shown_with_their_sum(server: Addresses) -> None:
    bad = batch(1, [(0, 1.0), (1, 2.0)])
    for _ in range(2):
        bad.batch.blocks.append(bad.batch.blocks[0])
    for block in bad.batch.blocks[1:]:
        block.values.append(3.0)
    publish(server.grpc, [open_message("sum", project="wire"), bad])
    shown = ask(server.http_url, "GetRun", name="local/wire/sum")["refusals"]
    assert [(entry["reason"], entry["count"]) for entry in shown] == [("MALFORMED", "6")]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(REQUESTS, min_size=1, max_size=5))
def test_any_messages_end_in_acks_or_invalid_argument_and_the_engine_takes_what_was_accepted(
    server: Addresses, requests: list[ingest_pb2.PublishRequest]
) -> None:
    try:
        answers = publish(server.grpc, [open_message("any", project="wire"), *requests])
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    else:
        assert acks(answers) == sorted(set(acks(answers)))
        reasons = [answer.refusal.reason for answer in answers if answer.HasField("refusal")]
        assert record_pb2.REFUSAL_REASON_STORE_REJECTED not in reasons
    assert acks(publish(server.grpc, [open_message("any", project="wire", writer="sound"), batch(1, [(0, 1.0)])])) == [
        1
    ]
    ask(server.http_url, "GetRun", name="local/wire/any")
