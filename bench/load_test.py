"""What bench/load makes of servers that do right and wrong: real sockets on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

REQUEST = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"
Answering = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        assert self.rfile.read(4) == b"body"
        self.server.answer(self)

    def say(self, body: bytes, status: int = 200, head: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if head:
            self.send_header("Inference-Header-Content-Length", str(head))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Answering = lambda handler: handler.say(b"yes")
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        yield found
        found.shutdown()


def load(server: Server, folder: Path, answer: bytes = b"yes", *words: str) -> Any:
    (folder / "request").write_bytes(REQUEST)
    (folder / "answer").write_bytes(answer)
    case = f"--case=1:200:{folder}/request:{folder}/answer"
    options = [f"--port={server.server_port}", "--connections=3", "--seconds=0.3", case, *words]
    done = subprocess.run([os.environ["LOAD"], *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_right_answers_count(server: Server, tmp_path: Path) -> None:
    told = load(server, tmp_path)
    assert told["answered"] == told["sent"] == told["statuses"]["200"] > 0
    assert told["lost"] == told["wrong"] == 0


def test_another_body_is_wrong(server: Server, tmp_path: Path) -> None:
    told = load(server, tmp_path, b"no!")
    assert told["wrong"] == told["answered"] > 0
    assert (tmp_path / "request.wrong").read_bytes() == b"yes"


def test_another_status_is_wrong(server: Server, tmp_path: Path) -> None:
    server.answer = lambda handler: handler.say(b"yes", 503)
    told = load(server, tmp_path)
    assert told["wrong"] == told["statuses"]["503"] > 0
    assert told["unwanted"] == {f"{tmp_path}/request": {"503": told["wrong"]}}


def close(handler: Handler) -> None:
    handler.close_connection = True


def wait(event: threading.Event) -> Answering:
    """Answers nothing before an event, nor after it."""

    def waiting(handler: Handler) -> None:
        event.wait(60)
        handler.close_connection = True

    return waiting


def test_a_connection_that_ends_without_an_answer_loses_its_request(
    server: Server, tmp_path: Path
) -> None:
    server.answer = close
    told = load(server, tmp_path)
    assert told["lost"] == told["sent"] > 0 and told["answered"] == 0
    assert told["unwanted"] == {f"{tmp_path}/request": {"lost": told["lost"]}}


def test_an_answer_that_does_not_come_is_lost(server: Server, tmp_path: Path) -> None:
    forever = threading.Event()
    server.answer = wait(forever)
    told = load(server, tmp_path, b"yes", "--patience=0.1")
    forever.set()
    assert told["lost"] == told["sent"] == 3
    assert told["unwanted"] == {f"{tmp_path}/request": {"lost": 3}}


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (b'{"model_name":"m","model_version":"12","outputs":[]}', False),
        (b'{"model_name":"n","model_version":"12","outputs":[]}', True),
        (b'{"model_name":"m","model_version":"12","outputs":[1]}', True),
    ],
)
@pytest.mark.parametrize("binary", [False, True], ids=["JSON", "binary"])
@pytest.mark.parametrize("words", [[], ["--tolerance=1e-5"]], ids=["bits", "tolerance"])
def test_any_version_of_a_model_may_answer(
    server: Server, tmp_path: Path, said: bytes, wrong: bool, binary: bool, words: list[str]
) -> None:
    tensor = b"\0\0\x80\x3f" if binary else b""
    server.answer = lambda handler: handler.say(said + tensor, head=len(said) if binary else 0)
    wanted = b'{"model_name":"m","model_version":"3","outputs":[]}'
    told = load(server, tmp_path, wanted + tensor, *words)
    assert told["answered"] > 0
    assert told["wrong"] == (told["answered"] if wrong else 0)


def leave(handler: Handler) -> None:
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Length", "3")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(b"yes")


@pytest.fixture
def following(server: Server, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A load that has been answered by the server, which has each connection end."""
    asked = threading.Event()

    def answer(handler: Handler) -> None:
        leave(handler)
        asked.set()

    server.answer = answer
    (tmp_path / "request").write_bytes(REQUEST)
    command = [os.environ["LOAD"], f"--port={server.server_port}", "--connections=3", "--follow"]
    command += ["--seconds=60", f"--case=1:200:{tmp_path}/request"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert asked.wait(60)
        yield process
        process.kill()


def test_new_connections_go_where_stdin_says(following: subprocess.Popen[str]) -> None:
    with Server() as other:
        moved = threading.Event()

        def answer(handler: Handler) -> None:
            leave(handler)
            moved.set()

        other.answer = answer
        assert following.stdin is not None
        following.stdin.write(f"{other.server_port}\n")
        following.stdin.flush()
        assert moved.wait(60)
        other.shutdown()


def test_refused_connections_are_lost_requests(following: subprocess.Popen[str]) -> None:
    with Server() as gone:
        port = gone.server_port
        gone.shutdown()
    assert following.stdin is not None and following.stdout is not None
    following.stdin.write(f"{port}\n")
    following.stdin.flush()
    told = json.loads(following.stdout.read())
    # Nobody is there any more: it does not try for ever. Other connections had asked before.
    assert following.wait() == 1
    assert 100 <= told["lost"] < 100 + 3
    assert told["answered"] > 0


@pytest.mark.parametrize(
    ("said", "head", "wrong"),
    [
        (b'{"data":[1.5,-2e3]}', 0, False),
        (b'{"data":[1.5000001,-2000.0001]}', 0, False),
        (b'{"data":[1.6,-2e3]}', 0, True),
        (b'{"data":[1.5,-2e3,1]}', 0, True),
        (b'{"Data":[1.5,-2e3]}', 0, True),
        (b'{"data":[1.5,-2e3]}\0\0\x80\x3f', 19, True),  # binary data that was not wanted
    ],
)
def test_numbers_may_be_off_by_the_tolerance(
    server: Server, tmp_path: Path, said: bytes, head: int, wrong: bool
) -> None:
    server.answer = lambda handler: handler.say(said, head=head)
    told = load(server, tmp_path, b'{"data":[1.5,-2e3]}', "--tolerance=1e-5")
    assert told["answered"] > 0
    assert told["wrong"] == (told["answered"] if wrong else 0)


@pytest.mark.parametrize(("last", "wrong"), [(b"\x3f", False), (b"\x40", True)])
def test_binary_tensors_are_compared_as_numbers(
    server: Server, tmp_path: Path, last: bytes, wrong: bool
) -> None:
    server.answer = lambda handler: handler.say(b"{}\1\0\x80" + last, head=2)
    told = load(server, tmp_path, b"{}\0\0\x80\x3f", "--tolerance=1e-5")
    assert told["answered"] > 0
    assert told["wrong"] == (told["answered"] if wrong else 0)


def test_binary_integers_may_not_be_off(server: Server, tmp_path: Path) -> None:
    head = b'{"datatype":"INT64"}'
    server.answer = lambda handler: handler.say(head + b"\1" + bytes(7), head=len(head))
    told = load(server, tmp_path, head + bytes(8), "--tolerance=1e-5")
    assert told["wrong"] == told["answered"] > 0


def test_arrivals_of_an_open_loop_wait_for_no_answer(server: Server, tmp_path: Path) -> None:
    forever = threading.Event()
    server.answer = wait(forever)
    told = load(server, tmp_path, b"yes", "--rate=1000", "--patience=0.1")
    forever.set()
    # Three were sent, as many as there are connections; the others were due and are lost as well.
    assert told["sent"] == 3
    assert 200 < told["lost"] < 400  # 300 on average; the seed says how many
