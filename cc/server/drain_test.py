"""An end that was asked for loses no request."""

import concurrent.futures
import http.client
import os
import signal
import socket
from pathlib import Path

import pytest

from cc.server.repository import ROWS, Repository, data, head, infer, request
from cc.server.serving import Server, serving, until

BODY = request(ROWS).encode()
HEAD = head("m", len(BODY))
DOUBLED = (2 * ROWS).ravel().tolist()


@pytest.fixture
def models(tmp_path: Path) -> Repository:
    return Repository(tmp_path, m="times2")


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def read_answer(connection: socket.socket) -> tuple[int, bool, bytes] | None:
    """Status, whether the connection is kept, and body; None at an end before the first byte."""
    if not connection.recv(1, socket.MSG_PEEK):
        return None
    response = http.client.HTTPResponse(connection)
    response.begin()
    kept = response.getheader("Connection") != "close"
    return response.status, kept, response.read()


def ask_until_the_end(server: Server) -> tuple[int, bool]:
    """Requests answered on one kept connection, and whether its end was told by an answer."""
    answered = 0
    with connect(server) as connection:
        while True:
            # No reset, neither here nor there: what was sent is answered, or was not read.
            connection.sendall(HEAD + BODY)
            answer = read_answer(connection)
            if answer is None:
                return answered, False
            status, kept, body = answer
            assert (status, data(body)) == (200, DOUBLED)
            answered += 1
            if not kept:
                assert connection.recv(1) == b""
                return answered, True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_kept_connections_at_full_load_end_without_a_reset(
    models: Repository, number: signal.Signals
) -> None:
    flags = (models.flag, "--drain_timeout_ms=60000")
    answered = 'paddle_server_batch_requests_sum{model="m",version="1"}'
    for _ in range(3):
        with serving(*flags) as server, concurrent.futures.ThreadPoolExecutor(8) as pool:
            clients = [pool.submit(ask_until_the_end, server) for _ in range(8)]
            until(lambda: server.metric(answered) >= 100)
            assert server.stop(number) == 0
            counts = [client.result()[0] for client in clients]
            assert len(server.logged("request", status=200, model="m")) == sum(counts)


def test_a_delay_loses_no_request_of_a_client_that_heeds_its_answers(models: Repository) -> None:
    with (
        serving(models.flag, "--drain_delay_ms=5000", "--drain_timeout_ms=60000") as server,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        clients = [pool.submit(ask_until_the_end, server) for _ in range(8)]
        until(lambda: len(server.logged("request")) >= 100)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.call("GET", "/v2/health/ready")[0] == 503)
        # Whoever has not learned of it is served.
        status, _, answer = server.call("POST", infer("m"), BODY)
        assert (status, data(answer)) == (200, DOUBLED)
        # Each of those that were there is told to go elsewhere by an answer.
        assert all(told for _, told in (client.result() for client in clients))
        assert server.process.wait(timeout=60) == 0


def test_an_upload_that_has_begun_is_answered(models: Repository) -> None:
    with serving(models.flag, "--drain_timeout_ms=60000") as server:
        with connect(server) as half, connect(server) as almost, connect(server) as idle:
            half.sendall(HEAD + BODY[:10])
            almost.sendall(HEAD[:20])
            # Both have been read.
            until(lambda: server.metric("paddle_server_connections") == 4)
            assert server.call("GET", "/v2/health/ready")[0] == 200
            server.process.send_signal(signal.SIGTERM)
            assert idle.recv(1) == b""
            with pytest.raises(ConnectionRefusedError):
                connect(server)
            half.sendall(BODY[10:])
            almost.sendall(HEAD[20:] + BODY)
            for connection in (half, almost):
                status, kept, body = read_answer(connection) or (0, True, b"{}")
                assert (status, kept, data(body)) == (200, False, DOUBLED)
                assert connection.recv(1) == b""
        assert server.process.wait(timeout=60) == 0


def test_what_was_asked_before_is_answered_in_its_order(models: Repository) -> None:
    with (
        serving(models.flag, "--drain_timeout_ms=60000") as server,
        connect(server) as connection,
    ):
        with server.stopped(*server.workers):
            connection.sendall(HEAD + BODY)
            until(lambda: server.metric('paddle_server_running{model="m",version="1"}') == 1)
            server.process.send_signal(signal.SIGTERM)
            until(server.refuses)
        status, kept, body = read_answer(connection) or (0, True, b"{}")
        assert (status, kept, data(body)) == (200, False, DOUBLED)
        assert server.process.wait(timeout=60) == 0


def test_a_signal_to_the_whole_group_means_the_server(models: Repository) -> None:
    flags = (models.flag, "--drain_timeout_ms=60000")
    with serving(*flags, start_new_session=True) as server:
        with connect(server) as connection, server.stopped(*server.workers):
            connection.sendall(HEAD + BODY)
            until(lambda: server.metric('paddle_server_running{model="m",version="1"}') == 1)
            os.killpg(server.process.pid, signal.SIGINT)
            until(server.refuses)
            for worker in server.workers:
                os.kill(worker, signal.SIGCONT)
            status, _, body = read_answer(connection) or (0, True, b"{}")
            assert (status, data(body)) == (200, DOUBLED)
        assert server.process.wait(timeout=60) == 0


def test_a_second_signal_does_not_wait(models: Repository) -> None:
    with serving(models.flag, "--drain_timeout_ms=3600000") as server, connect(server) as never:
        never.sendall(HEAD)
        # The one that tells it is one of them.
        until(lambda: server.metric("paddle_server_connections") == 2)
        until(lambda: server.metric('paddle_server_inflight_requests{protocol="http"}') == 2)
        server.process.send_signal(signal.SIGTERM)
        until(server.refuses)
        assert server.stop() == 1
    assert server.log[-1]["abandoned"] == 1
