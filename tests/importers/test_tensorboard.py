"""Event files as the real tensorboardX writes them, and damaged ones."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from support.importing import points_of
from tensorboardX import SummaryWriter
from tensorboardX.proto import event_pb2, summary_pb2, tensor_pb2
from tensorboardX.record_writer import masked_crc32c as their_crc

from runstream.importers.event_files import masked_crc32c
from runstream.importers.tensorboard import read_runs


@contextmanager
def writing(folder: Path, **how: object) -> Iterator[SummaryWriter]:
    writer = SummaryWriter(str(folder), **how)
    yield writer
    writer.close()


def framed(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))


def event(step: int, *values: summary_pb2.Summary.Value, wall_time: float = 1.7e9) -> bytes:
    return framed(
        event_pb2.Event(wall_time=wall_time, step=step, summary=summary_pb2.Summary(value=values)).SerializeToString()
    )


def test_runs_are_folders_and_scalars_are_points(tmp_path: Path) -> None:
    for name in ("", "a", "a/train"):
        with writing(tmp_path / "logs" / name) as writer:
            for step in range(100):
                writer.add_scalar("loss/train", step / 4, step, walltime=1_700_000_000.25 + step)
            writer.add_scalar("only/here", float("nan"), 5, walltime=1_700_000_001)
    runs = {run.name: run for run in read_runs(tmp_path / "logs")}
    assert sorted(runs) == ["a", "a/train", "logs"]
    assert runs["a/train"].id.startswith("a-train-")
    for run in runs.values():
        found = points_of(run)
        assert found["loss/train"] == {step: step / 4 for step in range(100)}
        assert np.isnan(found["only/here"][5])
        assert run.columns[0].times_ms.tolist() == [1_700_000_000_250 + 1000 * step for step in range(100)]
        assert (run.points, run.state, run.problems, dict(run.skipped)) == (101, "finished", (), {})
    assert len({run.id for run in runs.values()}) == 3
    assert [run.id for run in read_runs(tmp_path / "logs")] == [run.id for run in runs.values()]


def test_other_kinds_are_skipped_and_counted(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.add_text("notes", "hello", 0)
        writer.add_histogram("weights", np.arange(10.0), 0)
        writer.add_image("picture", np.zeros((3, 64, 64), np.uint8), 0)
        writer.add_scalar("loss", 1.0, 0)
    (run,) = read_runs(tmp_path)
    assert dict(run.skipped) == {"text": 1, "histo": 1, "image": 1}
    assert points_of(run) == {"loss": {0: 1.0}}


def test_hparams_are_config(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.add_hparams({"lr": 0.5, "bs": 32, "opt": "adam", "amp": True}, {"acc": 0.75}, name="trial")
    runs = {run.name: run for run in read_runs(tmp_path)}
    assert runs["trial"].config == {"lr": 0.5, "bs": 32, "opt": "adam", "amp": True}
    assert points_of(runs["trial"])["acc"] == {0: 0.75}


def test_a_restart_that_purges_forgets_the_steps_it_writes_again(tmp_path: Path) -> None:
    with writing(tmp_path, filename_suffix=".1") as writer:
        for step in range(10):
            writer.add_scalar("loss", 1.0, step)
    with writing(tmp_path, filename_suffix=".2", purge_step=6) as writer:
        for step in range(6, 8):
            writer.add_scalar("loss", 2.0, step)
    (run,) = read_runs(tmp_path)
    assert points_of(run) == {"loss": {step: 1.0 if step < 6 else 2.0 for step in range(8)}}
    assert (run.points, run.distinct, sum(run.skipped.values())) == (8, 8, 4)


def test_tensors_of_one_element_are_scalars(tmp_path: Path) -> None:
    metadata = summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="scalars"))
    packed = tensor_pb2.TensorProto(dtype=1, tensor_content=struct.pack("<f", 1.5))
    listed = tensor_pb2.TensorProto(dtype=2, double_val=[2.5])
    several = tensor_pb2.TensorProto(dtype=2, double_val=[2.5, 3.5])
    several.tensor_shape.dim.add(size=2)
    value = summary_pb2.Summary.Value
    (tmp_path / "events.out.tfevents.1.x").write_bytes(
        event(0, value(tag="loss", tensor=packed, metadata=metadata))
        + event(1, value(tag="loss", tensor=listed))
        + event(2, value(tag="loss", tensor=several), value(tag="loss", simple_value=3.5))
    )
    (run,) = read_runs(tmp_path)
    assert points_of(run) == {"loss": {0: 1.5, 1: 2.5, 2: 3.5}}
    assert dict(run.skipped) == {"scalars": 1}


def test_a_torn_last_record_is_the_end_wherever_it_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1.x"
    value = summary_pb2.Summary.Value
    whole = [event(step, value(tag="loss", simple_value=step)) for step in range(2)]
    for cut in range(len(whole[1])):
        path.write_bytes(whole[0] + whole[1][:cut])
        (run,) = read_runs(path)
        assert (points_of(run), run.problems) == ({"loss": {0: 0.0}}, ())


@pytest.mark.parametrize("at", [0, 9, 14, -1])
def test_damage_is_a_problem_and_what_was_before_is_kept(tmp_path: Path, at: int) -> None:
    path = tmp_path / "events.out.tfevents.1.x"
    value = summary_pb2.Summary.Value
    first, second, third = (event(step, value(tag="loss", simple_value=step)) for step in range(3))
    damaged = bytearray(second)
    damaged[at] ^= 0x10
    path.write_bytes(first + bytes(damaged) + third)
    (run,) = read_runs(path)
    assert points_of(run) == {"loss": {0: 0.0}}
    assert run.problems == (f"{path}: damaged from byte {len(first)} on",)


def test_a_record_that_is_no_event_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1.x"
    path.write_bytes(event(0, summary_pb2.Summary.Value(tag="loss", simple_value=1)) + framed(b"\xff" * 20))
    (run,) = read_runs(path)
    assert (run.points, len(run.problems)) == (1, 1)


def test_the_checksum_is_theirs() -> None:
    for data in (b"", b"a", bytes(range(256)) * 5):
        assert masked_crc32c(data) == their_crc(data)
