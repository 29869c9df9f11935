"""Hosting: keys on every door, health, endpoints, ports, graceful ends."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.hosting import hosted
from support.processes import Process, environ, wait_until
from support.writing import acks, batch, open_message, publish

from ingest.server import build as build_ingest
from ingest.settings import Settings as IngestSettings
from query.server import build as build_query
from query.settings import Settings as QuerySettings
from runstream.service.caller import Role
from runstream.service.host import Addresses
from runstream.service.keys import make_key
from runstream.store.client import Store
from runstream.v1 import query_pb2


@pytest.fixture(scope="module")
def addresses(store: Store) -> Iterator[Addresses]:
    """Ingest and query that want keys."""
    services = [build_ingest(store, IngestSettings()), build_query(store, QuerySettings())]
    with hosted(services, store, allows_keyless=False) as found:
        yield found


def post(url: str, method: str, body: object, key: str = "") -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/runstream.v1.{method}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_I9_a_key_reaches_its_own_entity_through_both_doors(addresses: Addresses, store: Store) -> None:
    writer, _ = make_key(store, "team-a", "ci", Role.WRITER)
    other, _ = make_key(store, "team-b", "ci", Role.VIEWER)
    answers = publish(
        addresses.grpc, [open_message("r1", project="tenancy"), batch(1, [(0, 1.0), (1, 2.0)])], key=writer
    )
    assert acks(answers) == [2]
    method = "QueryService/GetRun"
    status, body = post(addresses.http_url, method, {"name": "-/tenancy/r1"}, writer)
    assert (status, body["run"]["name"]) == (200, "team-a/tenancy/r1")
    status, body = post(addresses.http_url, method, {"name": "-/tenancy/r1"}, other)
    assert (status, body["code"]) == (404, "not_found")
    status, body = post(addresses.http_url, method, {"name": "team-a/tenancy/r1"}, other)
    assert (status, body["details"][0]["reason"]) == (403, "NOT_ALLOWED")
    with pytest.raises(grpc.RpcError) as caught:
        publish(addresses.grpc, [open_message("r1", project="tenancy")], key=other)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "role viewer, this needs writer" in caught.value.details()
    with pytest.raises(grpc.RpcError) as caught:
        publish(addresses.grpc, [open_message("r1", project="tenancy", entity="team-a")], key=other)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(("key", "reason"), [("", "KEY_MISSING"), ("rs-nobody-knows-me", "KEY_UNKNOWN")])
def test_no_key_and_a_wrong_key_are_refused_with_what_to_do(addresses: Addresses, key: str, reason: str) -> None:
    status, body = post(addresses.http_url, "QueryService/ListProjects", {}, key)
    assert (status, body["details"][0]["reason"]) == (401, reason)
    with pytest.raises(grpc.RpcError) as caught:
        publish(addresses.grpc, [open_message("r")], key=key)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    rich = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert rich.details[0].Unpack(info)
    assert (info.reason, info.domain) == (reason, "runstream")


def test_an_admin_makes_lists_and_revokes_keys_of_its_own_entity(addresses: Addresses, store: Store) -> None:
    admin, _ = make_key(store, "team-c", "root", Role.ADMIN)
    status, made = post(addresses.http_url, "KeyService/CreateKey", {"name": "n", "role": "ROLE_VIEWER"}, admin)
    assert status == 200
    assert post(addresses.http_url, "QueryService/ListProjects", {}, made["key"])[0] == 200
    status, listed = post(addresses.http_url, "KeyService/ListApiKeys", {}, admin)
    assert {key["name"] for key in listed["keys"]} == {"root", "n"}
    assert made["key"] not in json.dumps(listed)
    for body, wanted in (({"entity": "team-d"}, 403), ({"role": "ROLE_UNSPECIFIED"}, 400), ({"role": 77}, 400)):
        assert post(addresses.http_url, "KeyService/CreateKey", body, admin)[0] == wanted
    assert post(addresses.http_url, "KeyService/ListApiKeys", {}, made["key"])[0] == 403
    status, revoked = post(addresses.http_url, "KeyService/RevokeKey", {"keyId": made["apiKey"]["keyId"]}, admin)
    assert (status, revoked["apiKey"]["revoked"]) == (200, True)
    assert post(addresses.http_url, "KeyService/RevokeKey", {"keyId": "rs-none"}, admin)[0] == 404


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"x"', b'{"nonsense": 1}', b'{"project": 5}', b"[" * 100_000, b"\xff\xfe"]
)
def test_a_body_that_is_no_message_is_the_callers_fault(addresses: Addresses, store: Store, body: bytes) -> None:
    key, _ = make_key(store, "team-e", "", Role.VIEWER)
    status, answer = post(addresses.http_url, "QueryService/ListRuns", body, key)
    assert (status, answer["code"]) == (400, "invalid_argument")


def test_unary_methods_answer_grpc_too(addresses: Addresses, store: Store) -> None:
    key, _ = make_key(store, "team-f", "", Role.VIEWER)
    with grpc.insecure_channel(addresses.grpc) as channel:
        method = channel.unary_unary(
            "/runstream.v1.QueryService/ListRuns",
            request_serializer=query_pb2.ListRunsRequest.SerializeToString,
            response_deserializer=query_pb2.ListRunsResponse.FromString,
        )
        metadata = (("authorization", f"Bearer {key}"),)
        assert len(method(query_pb2.ListRunsRequest(project="-/none"), metadata=metadata, timeout=10).runs) == 0
        with pytest.raises(grpc.RpcError) as caught:
            method(query_pb2.ListRunsRequest(project="-/none", page_size=-1), metadata=metadata, timeout=10)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "page_size" in caught.value.details()


def test_health_needs_no_key(addresses: Addresses) -> None:
    assert get(f"{addresses.http_url}/healthz") == (200, b'{"alive": true}')
    assert json.loads(get(f"{addresses.http_url}/readyz")[1]) == {"ready": True, "because": {}}
    with grpc.insecure_channel(addresses.grpc) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", "ingest", "query"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_endpoints_and_metrics_need_no_key(addresses: Addresses) -> None:
    found = json.loads(get(f"{addresses.http_url}/api/endpoints")[1])
    assert (found["grpc"], found["needsKey"]) == (addresses.grpc, True)
    page = get(f"{addresses.http_url}/metrics")[1].decode()
    assert "runstream_ingest_points_stored_total" in page
    assert 'runstream_calls_total{code="OK",method="runstream.v1.QueryService.ListProjects"}' in page


def test_the_dashboard_is_served_and_has_no_door_to_other_files(addresses: Addresses) -> None:
    for path in ("/", "/p/e/p", "/r/e/p/r"):
        status, page = get(addresses.http_url + path)
        assert status == 200
        assert b"<title>runstream" in page
    for path in ("/assets/none.js", "/assets/..%2f..%2fserver.py", "/nowhere"):
        assert get(addresses.http_url + path)[0] == 404


def test_another_address_wants_a_key_first_or_in_so_many_words_none(tmp_path: Path) -> None:
    clickhouse = ["--clickhouse", f"chdb://{tmp_path / 'd'}"]
    arguments = ["-P", "-m", "query", *clickhouse, "--host", "0.0.0.0", "--port", "0", "--grpc-port", "0"]
    refused = Process(arguments)
    assert refused.popen.wait(20) == 1
    for word in ("0.0.0.0", "no API keys", "runstream key create", "--insecure-no-auth"):
        assert word in refused.stderr()
    refused.stop()
    allowed = Process([*arguments, "--insecure-no-auth"])
    assert "ready" in allowed.first_line
    assert allowed.stop() == 0
    made = Process(["-m", "runstream", "key", *clickhouse, "create", "--name", "first"])
    assert made.first_line.startswith("rs-")
    assert made.popen.wait(20) == 0
    made.stop()
    with_keys = Process(arguments)
    port = with_keys.url.rsplit(":", 1)[1]
    assert post(f"http://127.0.0.1:{port}", "QueryService/ListProjects", {})[0] == 401
    key = made.first_line.strip()
    assert post(f"http://127.0.0.1:{port}", "QueryService/ListProjects", {}, key)[0] == 200
    assert with_keys.stop() == 0


@pytest.mark.parametrize("option", ["--port", "--grpc-port"])
def test_a_port_in_use_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        other = "--grpc-port" if option == "--port" else "--port"
        process = Process(
            ["-P", "-m", "ingest", "--clickhouse", f"chdb://{tmp_path / 'd'}", option, port, other, "0"], environ()
        )
        assert process.popen.wait(20) == 1
        assert f"127.0.0.1:{port}" in process.stderr()
        assert option in process.stderr()
        process.stop()


def test_sigterm_commits_and_acks_what_was_accepted_then_exits_0(tmp_path: Path) -> None:
    process = Process(
        ["-P", "-m", "ingest", "--clickhouse", f"chdb://{tmp_path / 'd'}", "--port", "0", "--grpc-port", "0"]
    )
    address = process.first_line.split()[-1]
    is_sent = False

    def requests() -> Iterator[Any]:
        nonlocal is_sent
        yield open_message("r")
        last = batch(1, [(0, 1.0)])
        last.batch.urgent = False
        yield last
        is_sent = True
        wait_until(lambda: process.popen.poll() is not None, what="the server goes")

    with grpc.insecure_channel(address) as channel:
        from runstream.v1 import ingest_pb2_grpc

        call = ingest_pb2_grpc.IngestServiceStub(channel).Publish(requests(), timeout=20)
        kinds = [next(call).WhichOneof("message")]
        wait_until(lambda: is_sent)
        process.popen.send_signal(signal.SIGTERM)
        try:
            kinds += [answer.WhichOneof("message") for answer in call]
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert {"opened", "drain", "ack"} == set(kinds)
    assert process.popen.wait(20) == 0
    process.stop()
