"""What machines read of a run."""

import datetime
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboardX.proto import event_pb2

from paddle_training.log import Log


def events(file: Path) -> Iterator[event_pb2.Event]:
    """The records of an event file: length, its checksum, data, its checksum."""
    data = file.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = event_pb2.Event()
        event.ParseFromString(data[12 : 12 + length])
        yield event
        data = data[16 + length :]


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(None)
    log.resume(3)
    log.record(4, loss=0.5)
    log.record(5, loss=float("nan"), accuracy=1.0)
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    times = [datetime.datetime.fromisoformat(record.pop("time")) for record in records]
    assert records == [
        {"step": 3, "resumed": True},
        {"step": 4, "loss": 0.5},
        {"step": 5, "loss": None, "accuracy": 1.0},
    ]
    assert times == sorted(times)
    assert all(time.tzinfo is datetime.UTC for time in times)


def test_event_files(tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    log = Log(directory)
    log.resume(3)
    log.record(4, loss=0.5)
    log.record(5, loss=0.25, accuracy=1.0)
    (file,) = directory.iterdir()  # read while the run still lives: nothing waits in a buffer
    read = list(events(file))
    scalars = [(e.step, v.tag, v.simple_value) for e in read for v in e.summary.value]
    assert scalars == [(4, "loss", 0.5), (5, "loss", 0.25), (5, "accuracy", 1.0)]
    # TensorBoard hides what the run before told of steps from here on.
    assert [e.step for e in read if e.HasField("session_log")] == [4]


def test_no_event_files_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Log(None).record(1, loss=0.5)
    assert list(tmp_path.iterdir()) == []
