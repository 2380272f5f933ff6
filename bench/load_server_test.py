"""bench/load and our server, over both protocols: each request of a soak gets what it must get."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.cluster import Repository
from bench.oip import Model
from bench.soak_requests import PROTOCOLS, Requests, malformed_grpc
from cc.server.serving import Server, serving, until

MODEL = Model(Path(os.environ["DIGITS"]).absolute())
ANSWERED = 'paddle_server_batch_requests_sum{model="digits",version="1"}'
GOOD = {"http": "200", "grpc": "grpc 0"}


@pytest.fixture
def flag(tmp_path: Path) -> str:
    return f"--model_repository={Repository(tmp_path, [MODEL]).root}"


def prepared(folder: Path, server: Server, malformed: float) -> list[str]:
    requests = Requests(folder / "requests", shapes=4, malformed=malformed)
    requests.prepare_http([MODEL], server.port)
    requests.prepare_grpc([MODEL], server.grpc_port)
    return requests.cases


def ports(server: Server) -> list[str]:
    return [str(server.port), f"grpc:{server.grpc_port}"]


def load(server: Server, *words: str) -> Any:
    command = [os.environ["LOAD"], "--patience=60", *words]
    command += [f"--port={port}" for port in ports(server)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["lost"] == told["wrong"] == 0, done.stderr
    assert told["answered"] == told["sent"] > 0
    return told


def test_right_and_malformed_requests_get_their_answers(tmp_path: Path, flag: str) -> None:
    with serving(flag) as server:
        told = load(server, *prepared(tmp_path, server, malformed=0.5), "--seconds=1")
        assert all(told["statuses"][GOOD[protocol]] > 0 for protocol in PROTOCOLS)


def test_each_malformed_call_gets_its_status(tmp_path: Path, flag: str) -> None:
    with serving(flag) as server:
        for number, (status, call) in enumerate(malformed_grpc(MODEL)):
            path = tmp_path / f"malformed-{number}"
            path.write_bytes(call.case)
            told = load(server, f"--case=grpc:1:{status}:{path}", "--seconds=0.02")
            assert told["sent_again"] == 0


def test_a_server_that_ends_loses_nothing_of_clients_that_are_told(
    tmp_path: Path, flag: str
) -> None:
    drain = ["--drain_delay_ms=2000", "--drain_timeout_ms=60000"]
    with serving(flag, *drain) as first, serving(flag) as second:
        cases = prepared(tmp_path, first, malformed=0.05)
        command = [os.environ["LOAD"], "--follow", "--patience=60", "--seconds=5", *cases]
        command += [f"--port={port}" for port in ports(first)]
        before = first.metric(ANSWERED)
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdin and process.stdout
            until(lambda: first.metric(ANSWERED) > before + 20)
            process.stdin.write(" ".join(ports(second)) + "\n")
            process.stdin.flush()
            first.process.send_signal(signal.SIGTERM)
            assert first.process.wait(timeout=60) == 0
            told = json.loads(process.stdout.read())
            assert process.wait() == 0
    assert told["lost"] == told["wrong"] == 0
    assert all(told["statuses"][GOOD[protocol]] > 0 for protocol in PROTOCOLS)
