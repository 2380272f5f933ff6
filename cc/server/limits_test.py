"""What clients send too much of, too fast or too slowly hurts nobody but them."""

import concurrent.futures
import http.client
import json
import os
import resource
import signal
import socket
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cc.server.repository import ROWS, Repository, data, head, infer, request
from cc.server.serving import Server, serving, until

HELD = "paddle_server_inflight_bytes"
MIB = 1 << 20
BODY = request(ROWS).encode()
DOUBLED = (2 * ROWS).ravel().tolist()
RAW = {"Inference_Header_Content_Length": "0"}


@pytest.fixture
def models(tmp_path: Path) -> Repository:
    return Repository(tmp_path, m="times2")


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def read_answer(connection: socket.socket, method: str = "POST") -> tuple[int, bytes]:
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return response.status, response.read()


def is_well(server: Server) -> None:
    assert server.process.poll() is None
    assert server.call("GET", "/v2/health/ready")[0] == 200
    status, _, answer = server.call("POST", infer("m"), BODY)
    assert (status, data(answer)) == (200, DOUBLED)


def holds_nothing(server: Server) -> bool:
    # The connection that asks holds a block.
    return server.metric(HELD) <= 64 << 10


def large_json(rows: int, said: int) -> bytes:
    numbers = ",".join(["1,2,3,4"] * rows)
    tensor = f'{{"name":"x","datatype":"FP32","shape":[{said},4],"data":[{numbers}]}}'
    return f'{{"inputs":[{tensor}]}}'.encode()


def test_json_beyond_its_limit_is_refused_before_it_is_sent(models: Repository) -> None:
    with serving(models.flag) as server:
        with connect(server) as connection:
            connection.sendall(head("m", 64 * MIB))
            status, body = read_answer(connection)
            assert status == 413
            assert "--max_json_bytes" in data(body)
        is_well(server)


@pytest.mark.parametrize(("said", "error"), [(8388583, "at most 1024"), (2, "more than")])
def test_64_mib_of_json_are_refused_before_the_numbers_are_read(
    models: Repository, said: int, error: str
) -> None:
    body = large_json(8388583, said)
    assert len(body) > 63 * MIB
    with serving(models.flag, f"--max_json_bytes={64 * MIB}") as server:
        is_well(server)
        before = server.status("VmHWM")
        status, _, answer = server.call("POST", infer("m"), body)
        assert status == 400, answer
        assert error in data(answer)
        # The body, and what the parser wants for its index: not a number of it.
        assert server.status("VmHWM") - before < 480 * MIB
        until(lambda: holds_nothing(server))
        is_well(server)


def test_many_large_bodies_get_503_and_all_is_well_again(models: Repository) -> None:
    flags = (f"--max_inflight_bytes={32 * MIB}", "--max_batch_size=10000000")
    body = bytes(8 * MIB)
    with serving(models.flag, *flags) as server:

        def post(_: int) -> int:
            try:
                return server.call("POST", infer("m"), body, **RAW)[0]
            except (ConnectionError, http.client.HTTPException):
                return 0  # the answer was lost behind what was still being sent

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(post, range(64)))
        assert set(statuses) <= {0, 200, 503}
        assert statuses.count(200) > 0
        assert statuses.count(503) > 0
        until(lambda: holds_nothing(server))
        is_well(server)


def test_memory_that_runs_out_ends_requests_and_not_the_server(models: Repository) -> None:
    flags = (
        f"--max_inflight_bytes={8 << 30}",
        f"--max_request_bytes={1 << 30}",
        f"--max_json_bytes={256 * MIB}",
        "--max_batch_size=100000000",
    )
    raw, text = bytes(64 * MIB), large_json(2_000_000, 2_000_000)
    with serving(models.flag, *flags) as server:
        pid = server.process.pid
        no_limit = resource.prlimit(pid, resource.RLIMIT_AS)

        def post(i: int) -> int:
            body, headers = (text, {}) if i % 2 == 0 else (raw, RAW)
            try:
                return server.call("POST", infer("m"), body, **headers)[0]
            except (ConnectionError, http.client.HTTPException):
                return 0  # closed, or the answer was lost behind what was still being sent

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for room in (128, 64, 40, 20, 10, 2, 0):
                is_well(server)
                limit = server.status("VmSize") + room * MIB
                resource.prlimit(pid, resource.RLIMIT_AS, (limit, no_limit[1]))
                statuses = list(pool.map(post, range(16)))
                resource.prlimit(pid, resource.RLIMIT_AS, no_limit)
                assert set(statuses) <= {0, 200, 500, 503}, room
                assert set(statuses) != {200}, room
                until(lambda: holds_nothing(server))
        is_well(server)
        assert server.stop() == 0


def test_descriptors_that_run_out_turn_connections_away(models: Repository) -> None:
    with serving(models.flag) as server, connect(server) as kept:
        pid = server.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        is_well(server)
        files = [int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (max(files) + 8, before[1]))
        others = [connect(server) for _ in range(64)]
        try:
            # Whoever is there is served.
            kept.sendall(head("m", len(BODY)) + BODY)
            status, body = read_answer(kept)
            assert (status, data(body)) == (200, DOUBLED)
        finally:
            for other in others:
                other.close()
        until(lambda: server.metric("paddle_server_accept_errors_total") > 0)
        is_well(server)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        is_well(server)


def test_descriptors_are_left_for_models(models: Repository) -> None:
    with serving(models.flag, "--grpc_port=-1", max_files=128) as server:
        (line,) = server.logged("fewer connections than --max_connections", level="warning")
        assert line["connections"] == 64
        others = [connect(server) for _ in range(64)]
        try:
            # Its successor gets what it needs.
            (worker,) = server.workers
            os.kill(worker, signal.SIGKILL)
            until(lambda: server.workers not in ([], [worker]))
            until(lambda: server.logged("worker started again"))
        finally:
            for other in others:
                other.close()
        until(lambda: _status_or_none(server) == 200)
        is_well(server)
    assert len(server.logged("worker ended")) == 1


def test_connections_beyond_their_number_are_told(models: Repository) -> None:
    with serving(models.flag, "--max_connections=4") as server:
        others = [connect(server) for _ in range(4)]
        with connect(server) as fifth:
            status, body = read_answer(fifth)
            assert status == 503
            assert "too many connections" in data(body)
        for other in others:
            other.close()
        until(lambda: _status_or_none(server) == 200)
        assert server.metric("paddle_server_connections_turned_away_total") >= 1


def _status_or_none(server: Server) -> int | None:
    try:
        return server.call("GET", "/v2/health/live")[0]
    except (ConnectionError, http.client.HTTPException):
        return None


def test_slow_clients_are_ended_and_others_served(models: Repository) -> None:
    # Long enough for the clients that are not slow, on a machine that is.
    flags = ("--head_timeout_ms=2000", "--stall_timeout_ms=2000", "--idle_timeout_ms=2000")
    with serving(models.flag, *flags) as server:
        with connect(server) as silent, connect(server) as in_head, connect(server) as in_body:
            in_head.sendall(b"GET /v2 HT")
            in_body.sendall(head("m", 100) + b"{")
            is_well(server)
            status, body = read_answer(in_head)
            assert (status, "did not arrive within 2000 ms" in data(body)) == (408, True)
            status, body = read_answer(in_body)
            assert (status, "bytes per second" in data(body)) == (408, True)
            assert silent.recv(1) == b""
        is_well(server)


def test_a_reader_that_takes_nothing_is_ended(models: Repository) -> None:
    flags = ("--stall_timeout_ms=2000", "--max_batch_size=10000000")
    with serving(models.flag, *flags) as server:
        with connect(server) as greedy:
            body = bytes(32 * MIB)
            greedy.sendall(head("m", len(body), "Inference-Header-Content-Length: 0"))
            greedy.sendall(body)
            until(lambda: server.metric("paddle_server_connections") == 1)
        until(lambda: holds_nothing(server))
        is_well(server)


def test_an_answer_that_nobody_reads_is_counted_until_it_goes(models: Repository) -> None:
    flags = (
        "--stall_timeout_ms=3600000",
        "--max_batch_size=10000000",
        f"--max_inflight_bytes={112 * MIB}",
    )
    body = bytes(32 * MIB)
    with serving(models.flag, *flags) as server:

        def post() -> socket.socket:
            connection = connect(server)
            connection.sendall(head("m", len(body), "Inference-Header-Content-Length: 0"))
            connection.sendall(body)
            assert connection.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) == b"HTTP/1.1 200"
            return connection

        # The kernel has taken some of each; the whole is held until all of it is gone.
        slow = [post(), post()]
        assert server.metric(HELD) >= 64 * MIB
        status, headers, answer = server.call("POST", infer("m"), bytes(40 * MIB), **RAW)
        assert status == 503
        assert headers["Retry-After"] == "1"
        assert "--max_inflight_bytes" in data(answer)
        for connection in slow:
            connection.close()
        until(lambda: holds_nothing(server))
        is_well(server)


def test_json_that_nobody_reads_is_counted_until_it_goes(models: Repository) -> None:
    rows = 250_000
    numbers = np.random.default_rng(0).random((rows, 4), np.float32).tobytes()
    tensor = {"name": "x", "datatype": "FP32", "shape": [rows, 4]}
    binary = {"parameters": {"binary_data_size": len(numbers)}}
    text = json.dumps({"inputs": [{**tensor, **binary}]}).encode()
    flags = (
        "--stall_timeout_ms=3600000",
        f"--max_batch_size={rows}",
        f"--max_inflight_bytes={40 * MIB}",
    )
    with serving(models.flag, *flags) as server:

        def post() -> tuple[socket.socket, int, int]:
            connection = connect(server)
            size = len(text) + len(numbers)
            connection.sendall(head("m", size, f"Inference-Header-Content-Length: {len(text)}"))
            connection.sendall(text + numbers)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return connection, response.status, int(response.headers["Content-Length"])

        # A million numbers of 4 bytes are some 10 MiB of text. Others find no room while they
        # are written, and then while nobody reads them.
        answers = [post() for _ in range(4)]
        told = [length for _, status, length in answers if status == 200]
        refused = [status for _, status, _ in answers if status != 200]
        assert told
        assert refused == [503] * len(refused)
        assert refused
        assert min(told) > 8 * MIB
        until(lambda: sum(told) <= server.metric(HELD) <= sum(told) + 64 * 1024)
        for connection, _, _ in answers:
            connection.close()
        until(lambda: holds_nothing(server))
        is_well(server)


def test_pipelined_requests_are_answered_in_their_order(models: Repository) -> None:
    with serving(models.flag) as server, connect(server) as connection:
        wanted: list[tuple[int, Any]] = []
        sent = b""
        for i in range(100):
            if i % 3 == 0:
                sent += b"GET /v2/health/live HTTP/1.1\r\nHost: h\r\n\r\n"
                wanted.append((200, {"live": True}))
            elif i % 3 == 1:
                sent += b"GET /v2/models/none%d HTTP/1.1\r\nHost: h\r\n\r\n" % i
                wanted.append((404, None))
            else:
                body = request(ROWS + i).encode()
                sent += head("m", len(body)) + body
                wanted.append((200, (2 * (ROWS + i)).ravel().tolist()))
        connection.sendall(sent)
        with connection.makefile("rb") as stream:
            for i, (status, what) in enumerate(wanted):
                got, body = _next(stream)
                assert got == status
                if i % 3 == 0:
                    assert json.loads(body) == what
                elif i % 3 == 1:
                    assert f'unknown model "none{i}"' in data(body)
                else:
                    assert data(body) == what


def _next(stream: BufferedReader) -> tuple[int, bytes]:
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, stream.read(length)


def test_an_error_to_head_has_no_body_and_the_next_answer_follows(models: Repository) -> None:
    with serving(models.flag) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for path, status in (
            ("/v2/models/none", 404),
            (infer("m"), 405),
            ("/none", 404),
            ("/v2/health/live", 200),
        ):
            connection.request("HEAD", path)
            response = connection.getresponse()
            assert (response.status, response.read()) == (status, b"")
            assert int(response.headers["Content-Length"]) > 0
        sockets = connection.sock
        connection.request("GET", "/v2/health/live")
        assert connection.getresponse().read() == b'{"live":true}'
        assert connection.sock is sockets, "the connection was kept"
        connection.close()


@pytest.mark.parametrize(
    ("method", "path", "length", "status"),
    [
        ("POST", "/none", 1000, 404),
        ("POST", infer("none"), 1000, 404),
        ("POST", infer("m", 9), 1000, 404),
        ("PUT", infer("m"), 1000, 405),
        ("POST", "/v2/models/m", 1000, 405),
        ("POST", infer("m"), 1 << 40, 413),
        ("POST", infer("m"), 63 * MIB, 413),
    ],
)
def test_an_upload_that_would_be_in_vain_is_not_asked_for(
    models: Repository, method: str, path: str, length: int, status: int
) -> None:
    with serving(models.flag) as server, connect(server) as connection:
        connection.sendall(head("", length, "Expect: 100-continue", method=method, path=path))
        # The final answer, with no "100 Continue" before it.
        first = connection.recv(12, socket.MSG_WAITALL)
        assert first == f"HTTP/1.1 {status}".encode()
