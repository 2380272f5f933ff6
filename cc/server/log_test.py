"""Whoever reads the log, slowly, wrongly or not at all, does nothing to who is served."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from cc.server.repository import ROWS, Repository, data, infer, request
from cc.server.serving import Server, program, serving, until

DROPPED = "paddle_server_log_lines_dropped_total"


@pytest.fixture
def models(tmp_path: Path) -> Repository:
    return Repository(tmp_path, m="times2")


def ask(server: Server, times: int) -> None:
    for _ in range(times):
        assert server.call("GET", "/v2/models/m")[0] == 200
    status, _, answer = server.call("POST", infer("m"), request(ROWS))
    assert (status, data(answer)) == (200, (2 * ROWS).ravel().tolist())


def test_a_reader_that_stops_costs_log_lines_only(models: Repository) -> None:
    with serving(models.flag, read_log=False) as server:
        # Some 200 bytes a line: more than a pipe and the buffer before it hold.
        while server.metric(DROPPED) == 0:
            ask(server, 1000)
        ask(server, 3000)
        assert server.metric(DROPPED) >= 3000
        assert server.call("GET", "/v2/health/live")[0] == 200
        assert server.call("GET", "/v2/health/ready")[0] == 200
        assert server.stop() == 0


def test_a_reader_that_comes_back_reads_whole_lines_and_how_many_are_lost(
    models: Repository,
) -> None:
    with serving(models.flag, read_log=False) as server:
        while server.metric(DROPPED) == 0:
            ask(server, 1000)
        lost = server.metric(DROPPED)
        server.read_log()  # each is parsed as JSON
        until(lambda: len(server.logged("request")) > 0)
        ask(server, 10)
        until(lambda: server.logged("log lines were lost"))
        told = sum(line["lines"] for line in server.logged("log lines were lost"))
        assert told >= lost
        assert server.stop() == 0
        assert server.log[-1]["msg"] == "stopped"


@pytest.mark.parametrize("where", ["closed", "full", "none"])
def test_a_log_that_nobody_takes(models: Repository, where: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*program(), "serve", f"--port={port}", models.flag]
    if where == "closed":
        reading, writing = os.pipe()
        os.close(reading)
        process = subprocess.Popen(command, stdout=writing)
        os.close(writing)
    elif where == "full":
        with Path("/dev/full").open("w") as full:
            process = subprocess.Popen(command, stdout=full)
    else:
        # Without a file 1 the next one that is opened would get its number.
        process = subprocess.Popen(["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command])
    server = Server.__new__(Server)
    server.process, server.port = process, port

    def ready() -> bool:
        assert process.poll() is None
        try:
            return server.call("GET", "/v2/health/ready")[0] == 200
        except ConnectionRefusedError:
            return False

    try:
        until(ready)
        ask(server, 100)
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


def test_what_clients_send_does_not_break_a_line(models: Repository) -> None:
    evil = '\\u0000\\n\\"}\\ud83d\\ude00{' + "x" * 100_000
    with serving(models.flag) as server:
        body = request(ROWS).replace("{", f'{{"id": "{evil}", ', 1)
        status, _, answer = server.call("POST", infer("m"), body)
        assert status == 200
        assert json.loads(answer)["id"] == json.loads(f'"{evil}"')
        server.call("GET", "/v2/models/%00%0a%22%ff" + "y" * 10_000)
        server.stop()
    infers, unknown = server.logged("request")
    assert infers["id"].startswith('\0\n"}😀{xxx')
    assert len(infers["id"]) < 1000
    assert unknown["status"] == 404
    assert len(json.dumps(unknown)) < 5000
