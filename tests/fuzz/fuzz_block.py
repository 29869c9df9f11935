"""Fuzzes the way from wire bytes to columns: ``python -m tests.fuzz.fuzz_block --seconds 30``.

The law: any messages that protobuf takes leave every point stored or refused, acks only grow, what is submitted
can be inserted, and nothing but InvalidField is raised.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":  # before anything is imported that is to be watched
    import atheris

    sys.path.insert(0, str(Path(__file__).parents[1]))
    with atheris.instrument_imports(include=["ingest.decode", "ingest.session", "runstream.store"]):
        importlib.import_module("ingest.session")

from fuzz import driver
from google.protobuf.message import DecodeError
from support.processes import ROOT
from support.sessions import check_session

from ingest.session import Session
from ingest.settings import Settings
from runstream.errors import InvalidField
from runstream.forward.encode import KeyTable, encode
from runstream.spool.reader import SpoolReader
from runstream.v1 import ingest_pb2, record_pb2

_SETTINGS = Settings(max_batch_points=1000)
_OPEN = ingest_pb2.Open(project="p", run="r", writer="w")


def one(data: bytes) -> None:
    """Holds the law for messages that follow each other, each after its length in two bytes."""
    requests = []
    while data:
        size = int.from_bytes(data[:2], "little")
        with contextlib.suppress(DecodeError):  # the server answers these before a session sees them
            requests.append(ingest_pb2.PublishRequest.FromString(data[2 : 2 + size]))
        data = data[2 + size :]
    who = requests[0].open if requests and requests[0].HasField("open") else _OPEN
    try:
        session = Session(who, "e", _SETTINGS)
    except InvalidField:
        return
    check_session(session, requests, iter((True, False)))


def corpus() -> list[bytes]:
    """What a forwarder makes of the golden spool, and one message of every kind."""
    golden: list[ingest_pb2.PublishRequest] = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "00000001.spool").write_bytes((ROOT / "tests" / "golden" / "spool_v1.spool").read_bytes())
        reader = SpoolReader(Path(folder))
        while (chunk := reader.read()) is not None:
            golden += [ingest_pb2.PublishRequest(batch=batch) for batch in encode(chunk, KeyTable(), max_points=99)]
        reader.close()
    document = record_pb2.Document(kind=record_pb2.Document.KIND_CONFIG, json='{"a": [1, {"b.c": 2.5}]}')
    receipt = record_pb2.Receipt(sent=3, stored=2, refused=1)
    records = [
        record_pb2.Record(seq=1, time_us=9, run=record_pb2.RunInfo(notes="n", tags=record_pb2.Tags(values=["t"]))),
        record_pb2.Record(seq=2, time_us=9, document=document),
        record_pb2.Record(seq=3, writer=record_pb2.WriterState(state=2, exit_code=1)),
        record_pb2.Record(seq=4, refused=record_pb2.Refused(reason=1, field="f", message="m", count=2)),
        record_pb2.Record(seq=5, receipt=receipt),
    ]
    block = record_pb2.Block(
        key_ids=[1, 2], steps=[5, 6], timestamps_ms=[9, 9], seq_offsets=[0, 1], values=[1, 2, float("nan"), 4]
    )
    keys = [ingest_pb2.KeyDefinition(id=1, key="a"), ingest_pb2.KeyDefinition(id=2, key="ü")]
    batch = ingest_pb2.Batch(first_seq=50, last_seq_inclusive=60, new_keys=keys, blocks=[block], records=records)
    said = [
        ingest_pb2.PublishRequest(open=ingest_pb2.Open(project="p", run="r", writer="w", host="h", started_us=5)),
        ingest_pb2.PublishRequest(batch=batch),
        ingest_pb2.PublishRequest(heartbeat=ingest_pb2.Heartbeat(time_us=5, so_far=receipt)),
    ]
    return [_joined(golden), _joined(said), *(_joined([request]) for request in said)]


def _joined(requests: list[ingest_pb2.PublishRequest]) -> bytes:
    wire = [request.SerializeToString() for request in requests]
    return b"".join(len(message).to_bytes(2, "little") + message for message in wire)


if __name__ == "__main__":
    driver.main(one, corpus())
