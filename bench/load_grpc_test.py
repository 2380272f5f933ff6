"""What bench/load makes of servers of gRPC that do right and wrong: grpcio's, and one by frames."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import hpack
import pytest
from tritonclient.grpc import service_pb2

from bench.oip_grpc import STREAM_METHOD, Call, framed

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL = 0, 2, 7, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def answer(raw: bytes = b"\0\0\x80\x3f", version: str = "1", datatype: str = "FP32") -> Any:
    made = service_pb2.ModelInferResponse(model_name="m", model_version=version)
    made.outputs.add(name="y", datatype=datatype, shape=[len(raw) // 4])
    made.raw_output_contents.append(raw)
    return made


def streamed(**fields: Any) -> Any:
    return service_pb2.ModelStreamInferResponse(**fields)


def wire(*messages: Any) -> bytes:
    return b"".join(framed(message.SerializeToString()) for message in messages)


def load(
    port: int,
    folder: Path,
    *words: str,
    said: bytes = b"",
    call: Call | None = None,
    seconds: float = 0.3,
) -> Any:
    """Asks for a moment; `said` is what must be answered."""
    (folder / "request").write_bytes((call or Call(framed(b"body"))).case)
    (folder / "answer").write_bytes(said or wire(answer()))
    case = f"--case=grpc:1:0:{folder}/request:{folder}/answer"
    options = [f"--port=grpc:{port}", "--grpc-connections=2", "--streams=3"]
    command = [os.environ["LOAD"], *options, f"--seconds={seconds}", case, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def library(*messages: Any, code: Any = None, **options: int) -> Iterator[int]:
    """grpcio's server, which answers every call so; its port. Its options as `max_x`."""

    def handle(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for request in requests:
            assert request == b"body"
        if code:
            context.abort(code, "so it is")
        yield from (message.SerializeToString() for message in messages)

    class Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, _: Any) -> Any:
            return grpc.stream_stream_rpc_method_handler(handle)

    server = grpc.server(
        ThreadPoolExecutor(8),
        handlers=[Handlers()],
        options=[(f"grpc.{name}", value) for name, value in options.items()],
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def test_right_answers_count(tmp_path: Path) -> None:
    with library(answer()) as port:
        told = load(port, tmp_path)
    assert told["answered"] == told["sent"] == told["statuses"]["grpc 0"] > 0
    assert told["lost"] == told["wrong"] == told["sent_again"] == 0


def test_any_version_may_answer(tmp_path: Path) -> None:
    with library(answer(version="12")) as port:
        assert load(port, tmp_path)["wrong"] == 0


@pytest.mark.parametrize(
    "messages",
    [
        (answer(b"\0\0\0\x40"),),
        (answer(), answer()),
        (),
        (service_pb2.ModelInferResponse(),),
    ],
)
def test_other_messages_are_wrong(tmp_path: Path, messages: tuple[Any, ...]) -> None:
    with library(*messages) as port:
        told = load(port, tmp_path)
    assert told["wrong"] == told["answered"] > 0
    assert told["unwanted"] == {f"{tmp_path}/request": {"grpc 0": told["wrong"]}}
    assert (tmp_path / "request.wrong").read_bytes() == wire(*messages)


def test_another_status_is_wrong(tmp_path: Path) -> None:
    with library(code=grpc.StatusCode.NOT_FOUND) as port:
        told = load(port, tmp_path)
    assert told["wrong"] == told["statuses"]["grpc 5"] > 0
    assert told["unwanted"] == {f"{tmp_path}/request": {"grpc 5": told["wrong"]}}


def test_a_status_that_is_wanted_is_right(tmp_path: Path) -> None:
    (tmp_path / "refused").write_bytes(Call(framed(b"body")).case)
    with library(code=grpc.StatusCode.NOT_FOUND) as port:
        command = [os.environ["LOAD"], f"--port=grpc:{port}", "--seconds=0.3"]
        command.append(f"--case=grpc:1:5:{tmp_path}/refused")
        told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert told["answered"] == told["statuses"]["grpc 5"] > 0 and told["wrong"] == 0


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (answer(b"\1\0\x80\x3f"), False),
        (answer(b"\1\0\x80\x40"), True),
        (answer(b"\1\0\x80\x3f", datatype="INT32"), True),
    ],
)
def test_numbers_may_be_off_by_the_tolerance(tmp_path: Path, said: Any, wrong: bool) -> None:
    wanted = wire(answer(datatype=said.outputs[0].datatype))
    with library(said) as port:
        told = load(port, tmp_path, "--tolerance=1e-5", said=wanted)
    assert told["answered"] > 0
    assert told["wrong"] == (told["answered"] if wrong else 0)


def test_streams_are_compared_message_by_message(tmp_path: Path) -> None:
    call = Call(framed(b"body") * 2, STREAM_METHOD)
    wanted = wire(*[streamed(infer_response=answer(version="1"))] * 2)
    with library(*[streamed(infer_response=answer(version="2"))] * 2) as port:
        told = load(port, tmp_path, call=call, said=wanted)
    assert told["answered"] > 0 and told["wrong"] == 0
    with library(streamed(infer_response=answer()), streamed(error_message="no")) as port:
        told = load(port, tmp_path, call=call, said=wanted)
    assert told["wrong"] == told["answered"] > 0
    assert told["statuses"] == {"grpc 0, error_message": told["answered"]}


def test_connections_that_end_by_age_lose_nothing(tmp_path: Path) -> None:
    with library(answer(), max_connection_age_ms=100, max_connection_age_grace_ms=60_000) as port:
        told = load(port, tmp_path, seconds=1)
    assert told["answered"] == told["sent"] > 0 and told["lost"] == told["wrong"] == 0


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
    return head + payload


class Connection:
    """One that a frame server has."""

    def __init__(self, number: int, connected: socket.socket) -> None:
        self.number = number  # how many were before it
        self.count = 0  # of calls on it so far, this one included
        self._socket = connected
        self._stream = connected.makefile("rb")
        self._encoder = hpack.Encoder()

    def send(self, *frames: bytes) -> None:
        self._socket.sendall(b"".join(frames))

    def headers(self, stream: int, flags: int, *fields: tuple[str, str]) -> bytes:
        return frame(HEADERS, END_HEADERS | flags, stream, self._encoder.encode(fields))

    def reply(self, stream: int) -> None:
        self.send(
            self.headers(stream, 0, (":status", "200"), ("content-type", "application/grpc")),
            frame(DATA, 0, stream, wire(answer())),
            self.headers(stream, END_STREAM, ("grpc-status", "0")),
        )

    def reset(self, stream: int, code: int) -> None:
        self.send(frame(RST_STREAM, 0, stream, struct.pack(">I", code)))

    def go_away(self, last: int) -> None:
        self.send(frame(GOAWAY, 0, 0, struct.pack(">II", last, NO_ERROR)))

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)

    def run(self, answering: Answering) -> None:
        assert self._stream.read(len(PREFACE)) == PREFACE
        self.send(frame(SETTINGS, 0, 0))
        while len(head := self._stream.read(9)) == 9:
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            size = int.from_bytes(head[:3], "big")
            self._stream.read(size)
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, ACK, 0))
            if kind == DATA and size:
                self.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", size)))
            if kind == DATA and flags & END_STREAM:
                self.count += 1
                answering(self, stream)


Answering = Callable[[Connection, int], None]


@contextmanager
def frames(answering: Answering) -> Iterator[int]:
    """A server that does so with each call; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: Connection) -> None:
        with suppress(OSError):
            connection.run(answering)

    def accept() -> None:
        with suppress(OSError):
            number = 0
            while True:
                connection = Connection(number, listener.accept()[0])
                threading.Thread(target=serve, args=(connection,), daemon=True).start()
                number += 1

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_a_call_without_an_answer_is_lost(tmp_path: Path) -> None:
    with frames(lambda connection, stream: None) as port:
        told = load(port, tmp_path, "--patience=0.1")
    assert told["lost"] == told["sent"] == 2 * 3
    assert told["unwanted"] == {f"{tmp_path}/request": {"lost": 6}}


def test_a_connection_that_ends_loses_its_calls(tmp_path: Path) -> None:
    with frames(lambda connection, stream: connection.close()) as port:
        told = load(port, tmp_path)
    assert told["lost"] == told["sent"] > 0 and told["answered"] == 0


@pytest.mark.parametrize("code", [NO_ERROR, INTERNAL_ERROR, CANCEL])
def test_a_stream_that_is_reset_is_lost(tmp_path: Path, code: int) -> None:
    with frames(lambda connection, stream: connection.reset(stream, code)) as port:
        told = load(port, tmp_path)
    assert told["lost"] == told["sent"] > 0 and told["sent_again"] == 0


def test_a_stream_that_is_refused_is_sent_again(tmp_path: Path) -> None:
    """Two connections refuse nine streams each: fewer than a call is tried."""
    refused: Counter[int] = Counter()

    def the_first_nine(connection: Connection, stream: int) -> None:
        if connection.count <= 9:
            refused[connection.number] += 1
            connection.reset(stream, REFUSED_STREAM)
        else:
            connection.reply(stream)

    with frames(the_first_nine) as port:
        told = load(port, tmp_path)
    assert told["answered"] == told["sent"] > 0 and told["lost"] == 0
    assert told["sent_again"] == refused.total() > 0


def test_a_stream_that_is_refused_for_ever_is_lost(tmp_path: Path) -> None:
    with frames(lambda connection, stream: connection.reset(stream, REFUSED_STREAM)) as port:
        told = load(port, tmp_path)
    assert told["lost"] == told["sent"] > 0
    assert told["sent_again"] == 19 * told["lost"]


def test_what_has_begun_is_finished_and_the_rest_goes_elsewhere(tmp_path: Path) -> None:
    """Each connection takes two calls, of the three that come at first."""
    taken: Counter[int] = Counter()

    def answering(connection: Connection, stream: int) -> None:
        if connection.count == 2:
            connection.go_away(stream)
        if connection.count <= 2:
            taken[connection.number] += 1
            connection.reply(stream)

    with frames(answering) as port:
        told = load(port, tmp_path)
    assert told["answered"] == told["sent"] == taken.total() > 2 * 2
    assert told["lost"] == told["wrong"] == 0 and told["sent_again"] >= 2


def test_no_call_begins_behind_a_goaway(tmp_path: Path) -> None:
    behind: Counter[int] = Counter()
    warned: set[int] = set()

    def answering(connection: Connection, stream: int) -> None:
        # The notice of a shutdown, behind which calls that were on their way are still served.
        if connection.number not in warned:
            warned.add(connection.number)
            connection.go_away(2**31 - 1)
        behind[connection.number] += 1
        connection.reply(stream)

    with frames(answering) as port:
        told = load(port, tmp_path)
    assert told["answered"] == told["sent"] > 0 and told["lost"] == told["sent_again"] == 0
    assert len(warned) >= 2 and max(behind.values()) <= 3


def test_refused_connections_are_lost_calls(tmp_path: Path) -> None:
    asked = threading.Event()

    def leave(connection: Connection, stream: int) -> None:
        # Four are under way at a time: the fifth comes when an answer has been read.
        if connection.count == 5:
            connection.go_away(stream)
            asked.set()
        if connection.count <= 5:
            connection.reply(stream)

    (tmp_path / "request").write_bytes(Call(framed(b"body")).case)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        free = gone.getsockname()[1]
    with frames(leave) as port:
        command = [os.environ["LOAD"], f"--port=grpc:{port}", "--follow", "--seconds=60"]
        command += [f"--case=grpc:1:0:{tmp_path}/request"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            assert asked.wait(60) and process.stdout and process.stdin
            process.stdin.write(f"grpc:{free}\n")
            process.stdin.flush()
            told = json.loads(process.stdout.read())
            assert process.wait() == 1
    assert told["lost"] >= 100 and told["answered"] > 0 and told["seconds"] < 60


def test_both_protocols_are_asked_by_their_weights(tmp_path: Path) -> None:
    """In an open loop; each has its connections."""

    def say(connected: socket.socket) -> None:
        with suppress(OSError), connected:
            while connected.recv(1 << 16):
                connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                arguments = (listener.accept()[0],)
                threading.Thread(target=say, args=arguments, daemon=True).start()

    (tmp_path / "http").write_bytes(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    with socket.create_server(("127.0.0.1", 0)) as listener, library(answer()) as port:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        http = listener.getsockname()[1]
        words = [f"--port={http}", f"--case=http:3:200:{tmp_path}/http", "--rate=400"]
        told = load(port, tmp_path, *words, "--patience=60", seconds=1)
        listener.shutdown(socket.SHUT_RDWR)
    assert told["wrong"] == told["lost"] == 0
    # Of 400 on average.
    assert 200 < told["statuses"]["200"] < 400 and 40 < told["statuses"]["grpc 0"] < 160
