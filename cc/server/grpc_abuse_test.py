"""What clients of gRPC send too much of, too fast or too slowly hurts nobody but them."""

import contextlib
import struct
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from cc.server.grpc_raw import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INFER,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Raw,
    frame,
    framed,
    headers,
)
from cc.server.repository import ROWS, Repository
from cc.server.serving import Server, serving, until

HELD = "paddle_server_inflight_bytes"
LIVE = "/inference.GRPCInferenceService/ServerLive"


@pytest.fixture
def models(tmp_path: Path) -> Repository:
    return Repository(tmp_path, m="times2")


def message(x: Any = ROWS) -> bytes:
    made = service_pb2.ModelInferRequest(model_name="m")
    made.inputs.add(name="x", datatype="FP32", shape=x.shape)
    made.raw_input_contents.append(x.tobytes())
    return bytes(made.SerializeToString())


def is_well(server: Server) -> None:
    assert server.process.poll() is None
    with grpc.insecure_channel(server.grpc_url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        made = service_pb2.ModelInferRequest.FromString(message())
        answer = stub.ModelInfer(made, timeout=60, wait_for_ready=True)
        np.testing.assert_array_equal(
            np.frombuffer(answer.raw_output_contents[0], "f4"), 2 * ROWS.ravel()
        )


def holds_nothing(server: Server) -> bool:
    # The connection that asks holds a block.
    return server.metric(HELD) <= 64 << 10


def test_a_call_by_hand(models: Repository) -> None:
    with serving(models.flag) as server, Raw(server) as raw:
        raw.greet()
        raw.ask(1, INFER, message())
        assert raw.status_of(1)["grpc-status"] == "0"


def test_a_message_byte_by_byte(models: Repository) -> None:
    with serving(models.flag) as server, Raw(server) as raw:
        raw.greet()
        raw.ask(1)
        body = framed(message())
        for i in range(len(body)):
            raw.send(frame(DATA, END_STREAM if i == len(body) - 1 else 0, 1, body[i : i + 1]))
        assert raw.status_of(1)["grpc-status"] == "0"
        until(lambda: holds_nothing(server))


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", "13", "no message"),
        (framed(b"")[:3], "13", "ends within a message"),
        (framed(message())[:-1], "13", "ends within a message"),
        (b"\1" + framed(message())[1:], "13", "compressed"),
        (b"\0\xff\xff\xff\xff", "8", "--max_request_bytes"),
        (framed(b"\xff"), "3", "malformed"),
        (framed(message()) + framed(message()), "13", "more than one message"),
    ],
)
def test_bytes_that_are_no_call_are_refused_and_the_next_call_served(
    models: Repository, body: bytes, status: str, said: str
) -> None:
    with serving(models.flag) as server, Raw(server) as raw:
        raw.greet()
        raw.ask(1)
        raw.send(frame(DATA, END_STREAM, 1, body))
        trailers = raw.status_of(1)
        assert trailers["grpc-status"] == status
        assert said in trailers["grpc-message"]
        raw.ask(3, INFER, message())
        assert raw.status_of(3)["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        (headers("/none.Such/Call"), "12", "no method"),
        (headers("/inference.GRPCInferenceService/TraceSetting"), "12", "does not serve"),
        (headers(INFER, ("grpc-encoding", "br")), "12", "br"),
        (headers(INFER, ("grpc-timeout", "soon")), "3", "grpc-timeout"),
        (headers(INFER, ("grpc-timeout", "123456789S")), "3", "grpc-timeout"),
        (headers(INFER, ("large", "x" * 17000)), "8", "headers have more than"),
    ],
)
def test_heads_that_are_refused_say_why(
    models: Repository, fields: list[tuple[str, str]], status: str, said: str
) -> None:
    with serving(models.flag) as server, Raw(server) as raw:
        raw.greet()
        block = raw.block(fields)
        parts = [block[i : i + 16000] for i in range(0, len(block), 16000)]
        raw.send(frame(HEADERS, END_HEADERS if len(parts) == 1 else 0, 1, parts[0]))
        for i, part in enumerate(parts[1:], 2):
            raw.send(frame(CONTINUATION, END_HEADERS if i == len(parts) else 0, 1, part))
        trailers = raw.status_of(1)
        assert trailers["grpc-status"] == status
        assert said in trailers["grpc-message"]
        raw.ask(3, INFER, message())
        assert raw.status_of(3)["grpc-status"] == "0"


def test_what_is_no_grpc_is_told_by_http(models: Repository) -> None:
    with serving(models.flag) as server, Raw(server) as raw:
        raw.greet()
        fields = [f for f in headers("/v2/health/live") if f[0] != "content-type"]
        raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, raw.block(fields)))
        assert raw.status_of(1)[":status"] == "415"


def test_headers_without_end_are_ended(models: Repository) -> None:
    with serving(models.flag) as server:
        with Raw(server) as raw:
            raw.greet()
            raw.send(frame(HEADERS, 0, 1, raw.block(headers())))
            with contextlib.suppress(ConnectionError):
                for _ in range(1000):
                    raw.send(frame(CONTINUATION, 0, 1, b""))
            raw.ends()
        is_well(server)


def test_a_flood_of_resets_is_ended(models: Repository) -> None:
    with serving(models.flag) as server:
        with Raw(server) as raw:
            raw.greet()
            with contextlib.suppress(ConnectionError):
                for i in range(5000):
                    raw.ask(2 * i + 1, INFER, message())
                    raw.send(frame(RST_STREAM, 0, 2 * i + 1, struct.pack(">I", 8)))
            raw.ends()
        is_well(server)
        until(lambda: holds_nothing(server))


def test_a_flood_that_makes_the_server_reset_is_ended(models: Repository) -> None:
    with serving(models.flag) as server:
        with Raw(server) as raw:
            raw.greet()
            with contextlib.suppress(ConnectionError):
                for i in range(5000):
                    raw.ask(2 * i + 1)
                    # By no more than the letter: a window cannot grow by nothing.
                    raw.send(frame(WINDOW_UPDATE, 0, 2 * i + 1, struct.pack(">I", 0)))
            raw.ends()
        is_well(server)


@pytest.mark.parametrize(
    "flood",
    [
        frame(PING, 0, 0, b"12345678"),
        frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)),
    ],
)
def test_a_flood_whose_answers_nobody_reads_is_ended(models: Repository, flood: bytes) -> None:
    with serving(models.flag) as server:
        before = server.status("VmHWM")
        with Raw(server) as raw:
            raw.socket.settimeout(5)
            raw.greet()
            with contextlib.suppress(ConnectionError, TimeoutError):
                for _ in range(2000):
                    raw.send(flood * 1000)
        is_well(server)
        assert server.status("VmHWM") - before < 64 << 20


def test_more_calls_than_are_allowed_are_for_later(models: Repository) -> None:
    with serving(models.flag) as server, Raw(server) as raw:
        raw.greet()
        until(lambda: server.metric("paddle_server_connections") == 2)
        for i in range(300):
            raw.ask(2 * i + 1)
        refused: list[int] = []
        for kind, _, number, payload in raw.frames():
            if kind == RST_STREAM and payload == struct.pack(">I", 7):  # REFUSED_STREAM
                refused.append(number)
            if len(refused) == 44:
                break
        assert refused == [2 * i + 1 for i in range(256, 300)]
        is_well(server)


def test_a_client_that_gives_no_window_holds_its_answers_only_so_long(models: Repository) -> None:
    flags = ("--stall_timeout_ms=300", "--max_batch_size=1000000")
    with serving(models.flag, *flags) as server:
        with Raw(server) as raw:
            raw.greet((4, 0))  # SETTINGS_INITIAL_WINDOW_SIZE
            for i in range(10):
                raw.ask(2 * i + 1, INFER, message(np.ones((1000, 4), "f4")))
            ended = set()
            for kind, _, number, payload in raw.frames():
                if kind == RST_STREAM and payload == struct.pack(">I", 8):  # CANCEL
                    ended.add(number)
                if len(ended) == 10:
                    break
        is_well(server)
        until(lambda: holds_nothing(server))


def test_a_client_that_does_not_read_is_ended(models: Repository) -> None:
    # The upload, on a busy machine, has to move so fast too.
    flags = ("--stall_timeout_ms=3000", "--max_batch_size=10000000")
    with serving(models.flag, *flags) as server:
        with Raw(server) as raw:
            raw.greet((4, (1 << 31) - 1))
            raw.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", (1 << 31) - 65536)))
            raw.ask(1)
            raw.upload(1, framed(message(np.ones((2 << 20, 4), "f4"))))
            until(lambda: server.logged("request", status=0, model="m"))
            until(lambda: server.metric("paddle_server_connections") == 1)
        until(lambda: holds_nothing(server))
        is_well(server)


def test_slow_clients_are_ended_and_others_served(models: Repository) -> None:
    flags = ("--head_timeout_ms=300", "--stall_timeout_ms=300", "--idle_timeout_ms=600")
    with serving(models.flag, *flags) as server:
        with Raw(server) as silent, Raw(server) as idle, Raw(server) as slow:
            idle.greet()
            slow.greet()
            slow.ask(1)
            slow.send(frame(DATA, 0, 1, framed(message())[:20]))
            is_well(server)
            trailers = slow.status_of(1)
            assert trailers["grpc-status"] == "4"
            assert "bytes per second" in trailers["grpc-message"]
            assert silent.ends() == []
            idle_kinds = []
            for kind, flags_, _, payload in idle.frames():
                idle_kinds.append(kind)
                if kind == PING and not flags_ & ACK:
                    idle.send(frame(PING, ACK, 0, payload))
            assert idle_kinds.count(GOAWAY) == 2
        is_well(server)


def test_the_byte_budget_is_shared_and_given_back(models: Repository) -> None:
    # On a busy machine what is held shall be held until somebody asks.
    flags = (f"--max_inflight_bytes={2 << 20}", "--stall_timeout_ms=600000")
    # What is refused gives its block back, so that a small request may find room again and again.
    large = np.ones((32768, 4), "f4")
    with serving(models.flag, f"--max_batch_size={len(large)}", *flags) as server:
        raws = [Raw(server) for _ in range(40)]
        statuses = []
        for raw in raws:
            raw.greet()
            for i in range(4):
                raw.ask(2 * i + 1)
                # Half of a message: so much is held until the rest comes.
                raw.send(frame(DATA, 0, 2 * i + 1, framed(bytes(30000))[:15000]))
        with grpc.insecure_channel(server.grpc_url) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            made = service_pb2.ModelInferRequest.FromString(message(large))
            with pytest.raises(grpc.RpcError) as caught:
                while True:
                    stub.ModelInfer(made, timeout=60)
            statuses.append(caught.value.code())
        assert statuses == [grpc.StatusCode.RESOURCE_EXHAUSTED]
        for raw in raws:
            raw.close()
        until(lambda: holds_nothing(server))
        is_well(server)


def test_connections_beyond_their_number_are_told(models: Repository) -> None:
    with serving(models.flag, "--max_connections=4") as server:
        raws = [Raw(server) for _ in range(4)]
        for raw in raws:
            raw.greet()
        with Raw(server) as fifth:
            fifth.greet()
            (goaway,) = [payload for kind, _, _, payload in fifth.frames() if kind == GOAWAY]
            assert b"too many connections" in goaway
        for raw in raws:
            raw.close()
        is_well(server)
