"""A run that says a bit of everything, with its files on S3: what the dashboard's tests look at."""

from __future__ import annotations

import hashlib
import json
import struct
import urllib.request
import zlib
from typing import Any

from runstream import rpc_client
from runstream.v1 import ingest_pb2, record_pb2
from support.writing import batch, document, history_row, open_message, output, publish, said


def png(shade: int, size: int = 24) -> bytes:
    """A small grey picture, lighter to the right."""
    rows = b"".join(b"\0" + bytes((shade + column * 4) % 256 for column in range(size)) for _ in range(size))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Shown:
    """Uploads files and says them."""

    def __init__(self, url: str, grpc: str, project: str, run: str) -> None:
        self._url, self._grpc, self._project, self._run = url, grpc, project, run
        self._files: dict[str, tuple[bytes, str]] = {}
        self._seq = 0

    def seq(self) -> int:
        self._seq += 1
        return self._seq

    def file(self, path: str, data: bytes, media_type: str) -> record_pb2.Record:
        """Puts a file's blob on S3 and returns the record that names it."""
        entry = {"path": path, "size": str(len(data)), "sha256": hashlib.sha256(data).hexdigest()}
        request = {"project": f"-/{self._project}", "entries": [entry]}
        for upload in rpc_client.call(self._url, "ArtifactService/PlanUploads", request).get("uploads", []):
            headers = {"Content-Type": "application/octet-stream", **upload.get("headers", {})}
            put = urllib.request.Request(upload["url"], data, headers, method="PUT")
            urllib.request.urlopen(put, timeout=10).close()
        made = record_pb2.RunFile(path=path, size=len(data), sha256=entry["sha256"], media_type=media_type)
        return record_pb2.Record(seq=self.seq(), time_us=1_700_000_000_000_000, file=made)

    def say(self, *messages: ingest_pb2.PublishRequest, **fields: Any) -> None:
        publish(self._grpc, [open_message(self._run, project=self._project, **fields), *messages])


def show(url: str, grpc: str, project: str, run: str) -> None:
    """Writes the run."""
    it = Shown(url, grpc, project, run)
    records = []
    for step in range(0, 40, 10):
        path = f"media/images/sample_{step}.png"
        records.append(it.file(path, png(step * 5), "image/png"))
        image = {"_type": "image-file", "path": path, "caption": f"after {step} steps"}
        both = [path, "media/images/sample_0.png"]
        pair = {"_type": "images/separated", "filenames": both, "captions": ["now", "first"]}
        note = f"Once upon a step {step},\nthere was a loss."
        records.append(history_row(it.seq(), step, sample=image, pair=pair, note=note))
    table = {
        "columns": ["id", "truth", "guess", "score"],
        "data": [[n, n % 10, (n * 7) % 10, n / 37] for n in range(37)],
    }
    records.append(it.file("media/table/wrong.table.json", json.dumps(table).encode(), "application/json"))
    page = b"<body style='font-family:sans-serif'><h2>A page of the run</h2><p>of its own</p></body>"
    records.append(it.file("media/html/page.html", page, "text/html"))
    records.append(it.file("code/train.py", b"print('hello')\n", "text/x-python"))
    records.append(
        history_row(
            it.seq(), 30,
            wrong={"_type": "table-file", "path": "media/table/wrong.table.json", "ncols": 4, "nrows": 37},
            page={"_type": "html-file", "path": "media/html/page.html"},
            weights={"_type": "histogram", "values": [1, 4, 9, 14, 9, 5, 2], "bins": [-3, -2, -1, 0, 1, 2, 3, 4]},
            curve={"_type": "custom-chart", "chart": "line", "table": {"path": "media/table/wrong.table.json"}},
            nested={"a": [1, 2, {"b": None}]},
        )
    )  # fmt: skip
    lines = [(n, f"epoch {n:3d}  loss {1 / (n + 1):.4f}  \x1b[32mok\x1b[0m") for n in range(120)]
    records.append(output(it.seq(), *lines))
    records.append(output(it.seq(), (120, "Warning: learning rate is high"), is_stderr=True))
    metadata = {
        "host": "node-17",
        "python": "3.11.9",
        "command": "python train.py --lr 0.1",
        "git": {"commit": "3f2a9c1", "remote": "git@host:team/model.git", "dirty": True},
        "hardware": {"cpu": "2 × 64 cores", "gpus": ["H100"] * 8},
    }
    records.append(document(it.seq(), "metadata", **metadata))
    records.append(document(it.seq(), "config", lr=0.1, model={"depth": 12, "width": 768}, layers=[1, 2, 3]))
    records.append(document(it.seq(), "metrics", loss={"summary": ["min", "last"]}))
    alert = record_pb2.Alert(title="Loss is high", text="loss 4.2 is over 3", level=record_pb2.Alert.LEVEL_WARN)
    records.append(record_pb2.Record(seq=it.seq(), time_us=1_700_000_000_000_000, alert=alert))
    it.say(said(*records), batch(1000, [(step, 1 / (step + 1)) for step in range(40)], key="loss"))
    it.say(said(output(1, *((n, f"worker line {n}") for n in range(30)))), rank=1, world_size=2, writer="w1")
