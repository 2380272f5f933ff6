"""Bodies and messages that are compressed, as clients that are not ours send and take them."""

import gzip
import http.client
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from cc.server.grpc_raw import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INFER,
    Raw,
    frame,
    headers,
)
from cc.server.repository import ROWS, Repository, data, infer, request
from cc.server.serving import Server, serving, until

MIB = 1 << 20
MANY: NDArray[np.float32] = np.arange(400_000, dtype=np.float32).reshape(-1, 4)  # 1.5 MiB
DOUBLED = (2 * ROWS).ravel().tolist()
RAW = {"Inference_Header_Content_Length": "0"}
HELD = "paddle_server_inflight_bytes"
COPIED = "paddle_server_tensor_bytes_copied_total"


def raw_deflate(body: bytes) -> bytes:
    """Without the zlib header, as some clients take `deflate` for."""
    return zlib.compress(body, wbits=-15)


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "members": ("x-gzip, identity", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    models = Repository(tmp_path_factory.mktemp("repository"), m="times2")
    flags = (f"--max_request_bytes={8 * MIB}", f"--max_json_bytes={MIB}")
    with serving(models.flag, "--max_batch_size=10000000", *flags) as server:
        yield server
        until(lambda: server.metric(HELD) <= 64 << 10)
        assert server.stop() == 0
        assert server.logged("worker ended") == []


def post(server: Server, body: bytes, **headers: str) -> tuple[int, Any]:
    status, _, answer = server.call("POST", infer("m"), body, **headers)
    return status, data(answer)


@pytest.mark.parametrize("coming", [None, "gzip", "deflate"])
@pytest.mark.parametrize("going", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("rows", [ROWS, MANY], ids=["few", "many"])
def test_tritonclient_by_http(
    server: Server, coming: str | None, going: str | None, binary: bool, rows: NDArray[np.float32]
) -> None:
    if not binary:
        rows = rows[:5000]
    tensor = tritonclient.http.InferInput("x", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    with tritonclient.http.InferenceServerClient(server.url) as client:
        (output,) = client.get_model_metadata("m")["outputs"]
        wanted = tritonclient.http.InferRequestedOutput(output["name"], binary_data=binary)
        how = {"request_compression_algorithm": coming, "response_compression_algorithm": going}
        answer = client.infer("m", [tensor], outputs=[wanted], **how)
    np.testing.assert_array_equal(answer.as_numpy(output["name"]), 2 * rows)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
@pytest.mark.parametrize("rows", [ROWS, MANY], ids=["few", "many"])
def test_tritonclient_by_grpc(server: Server, algorithm: str, rows: NDArray[np.float32]) -> None:
    tensor = tritonclient.grpc.InferInput("x", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows)
    with tritonclient.grpc.InferenceServerClient(server.grpc_url) as client:
        (output,) = client.get_model_metadata("m").outputs
        answer = client.infer("m", [tensor], compression_algorithm=algorithm)
        np.testing.assert_array_equal(answer.as_numpy(output.name), 2 * rows)
        # A stream keeps its order, though what is large takes a way of its own.
        answers: list[Any] = []
        client.start_stream(
            lambda result, error: answers.append(error or result.as_numpy(output.name)),
            compression_algorithm=algorithm,
        )
        sizes = [400, 1, 100_000, 2, 50_000, 3, 1, 1]
        for size in sizes:
            part = np.full((size, 4), size, np.float32)
            sent = tritonclient.grpc.InferInput("x", [size, 4], "FP32")
            sent.set_data_from_numpy(part)
            client.async_stream_infer("m", [sent])
        until(lambda: len(answers) == len(sizes))
        client.stop_stream()
    for size, answered in zip(sizes, answers, strict=True):
        np.testing.assert_array_equal(answered, np.full((size, 4), 2 * size, np.float32))


def test_a_tensor_that_comes_compressed_is_copied_once(server: Server) -> None:
    before = server.metric(COPIED)
    assert server.call("POST", infer("m"), gzip.compress(MANY.tobytes()),
                       Content_Encoding="gzip", **RAW)[0] == 200  # fmt: skip
    assert server.metric(COPIED) - before <= 2 * MANY.nbytes + 4096  # in, and out


@pytest.mark.parametrize("coding", CODINGS)
def test_every_form_of_a_coding(server: Server, coding: str) -> None:
    name, compress = CODINGS[coding]
    body = compress(request(ROWS).encode())
    assert post(server, body, Content_Encoding=name) == (200, DOUBLED)
    assert post(server, body, Content_Encoding=name.upper()) == (200, DOUBLED)
    # An index may be asked for so, too.
    ready = compress(b'{"ready": true}')
    status, _, answer = server.call("POST", "/v2/repository/index", ready, Content_Encoding=name)
    assert (status, json.loads(answer)[0]["name"]) == (200, "m")


def test_in_chunks_and_slowly(server: Server) -> None:
    body = gzip.compress(request(ROWS).encode())

    def slowly() -> Iterator[bytes]:
        for byte in body:
            yield bytes([byte])
            time.sleep(0.002)

    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        headers = {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}
        connection.request("POST", infer("m"), slowly(), headers, encode_chunked=True)
        response = connection.getresponse()
        assert (response.status, data(response.read())) == (200, DOUBLED)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw"])
def test_what_breaks_off_or_goes_on_is_told(server: Server, coding: str) -> None:
    name, compress = CODINGS[coding]
    body = compress(request(ROWS).encode())
    for wrong, why in (
        (body[:-1], "breaks off"),
        (body[: len(body) // 2], "breaks off"),
        (body + b"more", "4 bytes follow the end"),
        (b"", "breaks off"),
        (bytes(100), ""),
        (request(ROWS).encode(), ""),
    ):
        status, error = post(server, wrong, Content_Encoding=name)
        assert status == 400
        assert why in error
    assert post(server, body, Content_Encoding=name) == (200, DOUBLED)


def test_bombs_are_refused_and_take_no_memory(server: Server) -> None:
    bombs = [
        (gzip.compress(bytes(512 * MIB), 9), "gzip"),
        (zlib.compress(bytes(512 * MIB), 9), "deflate"),
    ]
    post(server, gzip.compress(request(ROWS).encode()), Content_Encoding="gzip")
    before = server.status("VmHWM")
    for bomb, name in bombs:
        for limit, form in ((8 * MIB, RAW), (MIB, {})):
            for _ in range(4):
                status, error = post(server, bomb, Content_Encoding=name, **form)
                assert status == 413
                assert f"more than {limit} bytes" in error
    assert server.status("VmHWM") - before < 32 * MIB
    until(lambda: server.metric(HELD) <= 64 << 10)


def test_many_bombs_leave_room_for_others(server: Server) -> None:
    bomb = gzip.compress(bytes(64 * MIB), 9)
    stop = threading.Event()
    statuses: list[int] = []

    def throw() -> None:
        while not stop.is_set():
            statuses.append(post(server, bomb, Content_Encoding="gzip", **RAW)[0])

    throwers = [threading.Thread(target=throw) for _ in range(8)]
    for thrower in throwers:
        thrower.start()
    for _ in range(20):
        body = gzip.compress(request(ROWS).encode())
        assert post(server, body, Content_Encoding="gzip") == (200, DOUBLED)
    stop.set()
    for thrower in throwers:
        thrower.join()
    assert set(statuses) <= {413, 503}


def test_who_goes_meanwhile_costs_nothing_more(server: Server) -> None:
    bomb = gzip.compress(bytes(7 * MIB), 9)
    head = (
        f"POST {infer('m')} HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\n"
        f"Inference-Header-Content-Length: 0\r\nContent-Length: {len(bomb)}\r\n\r\n"
    )
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(head.encode() + bomb)
    until(lambda: server.metric(HELD) <= 64 << 10)
    assert post(server, request(ROWS).encode()) == (200, DOUBLED)


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip, deflate, br, zstd", "gzip"),  # as browsers have it
        ("gzip", "gzip"),  # as Prometheus
        ("deflate", "deflate"),
        ("deflate;q=1, gzip;q=0.5", "deflate"),
        ("*", "gzip"),
        ("identity", None),
        ("gzip;q=0", None),
        ("br", None),
    ],
)
def test_answers_in_the_coding_that_is_liked_best(
    server: Server, accept: str, coding: str | None
) -> None:
    plain = server.call("GET", "/metrics")
    status, headers, body = server.call("GET", "/metrics", Accept_Encoding=accept)
    assert (status, headers.get("Content-Encoding")) == (200, coding)
    assert headers["Vary"] == "Accept-Encoding"
    assert int(headers["Content-Length"]) == len(body)
    if coding:
        assert len(body) < len(plain[2]) / 4
        body = zlib.decompress(body, wbits=47)
    assert b"\npaddle_server_requests_total{" in body
    status, headers, body = server.call("HEAD", "/metrics", Accept_Encoding=accept)
    assert (headers.get("Content-Encoding"), body) == (coding, b"")


def test_small_answers_and_errors_go_as_they_are(server: Server) -> None:
    for path in ("/v2", "/v2/health/ready", "/v2/models/" + 2000 * "x"):
        _, headers, body = server.call("GET", path, Accept_Encoding="gzip")
        assert "Content-Encoding" not in headers
        assert json.loads(body)


# ---- gRPC, where clients see what was sent


def message(rows: NDArray[np.float32] = ROWS) -> Any:
    made = service_pb2.ModelInferRequest(model_name="m")
    made.inputs.add(name="x", datatype="FP32", shape=rows.shape)
    made.raw_input_contents.append(rows.tobytes())
    return made


def call_raw(
    server: Server, coding: str, flag: int, body: bytes, *accept: tuple[str, str]
) -> tuple[dict[str, str], bytes]:
    """Headers and messages of the answer to a call that is written by hand."""
    with Raw(server) as raw:
        raw.greet()
        fields = headers(INFER, ("grpc-encoding", coding), *accept)
        raw.send(frame(HEADERS, END_HEADERS, 1, raw.block(fields)))
        framed = bytes([flag]) + struct.pack(">I", len(body)) + body
        raw.send(frame(DATA, END_STREAM, 1, framed))
        return raw.answer_to(1)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_answers_are_compressed_for_who_compresses(server: Server, coding: str) -> None:
    compress = CODINGS[coding][1]
    rows = np.arange(4000, dtype=np.float32).reshape(-1, 4)
    body = message(rows).SerializeToString()
    takes = ("grpc-accept-encoding", f"identity, {coding}")
    told, answer = call_raw(server, coding, 1, compress(body), takes)
    assert (told["grpc-status"], told["grpc-encoding"]) == ("0", coding)
    assert (answer[0], len(answer)) == (1, 5 + int.from_bytes(answer[1:5], "big"))
    plain = zlib.decompress(answer[5:], wbits=47)
    assert len(answer) < len(plain)
    parsed = service_pb2.ModelInferResponse.FromString(plain)
    np.testing.assert_array_equal(
        np.frombuffer(parsed.raw_output_contents[0], "f4"), 2 * rows.ravel()
    )
    # What is small goes as it is.
    small = message().SerializeToString()
    told, answer = call_raw(server, coding, 1, compress(small), takes)
    assert (told["grpc-encoding"], answer[0]) == (coding, 0)
    # And so does what goes to those who do not compress, or take something else.
    for accept in ((), (("grpc-accept-encoding", "identity, br"),)):
        told, answer = call_raw(server, coding, 1, compress(body), *accept)
        assert ("grpc-encoding" in told, answer[0]) == (False, 0)
    told, answer = call_raw(server, "identity", 0, body, takes)
    assert ("grpc-encoding" in told, answer[0]) == (False, 0)


def test_a_message_that_comes_to_too_much(server: Server) -> None:
    zeros = np.zeros((MIB, 4), np.float32)  # 16 MiB, of which 16 KiB are sent
    with grpc.insecure_channel(server.grpc_url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            with pytest.raises(grpc.RpcError) as raised:
                stub.ModelInfer(message(zeros), compression=compression)
            assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "--max_request_bytes" in raised.value.details()
        fits = np.zeros((MIB // 5, 4), np.float32)
        stub.ModelInfer(message(fits), compression=grpc.Compression.Gzip)
    until(lambda: server.metric(HELD) <= 64 << 10)


def test_codings_by_the_letter_of_grpc(server: Server) -> None:
    body = message().SerializeToString()
    code = {status.name: str(status.value[0]) for status in grpc.StatusCode}
    for coding, flag, sent, expected in (
        ("gzip", 1, gzip.compress(body), "OK"),
        ("gzip", 0, body, "OK"),  # each message says for itself
        ("deflate", 1, zlib.compress(body), "OK"),
        ("identity", 0, body, "OK"),
        ("identity", 1, gzip.compress(body), "INTERNAL"),
        ("gzip", 2, gzip.compress(body), "INTERNAL"),
        ("gzip", 1, gzip.compress(body)[:-1], "INVALID_ARGUMENT"),
        ("gzip", 1, gzip.compress(body) + b"x", "INVALID_ARGUMENT"),
        ("deflate", 1, gzip.compress(body), "INVALID_ARGUMENT"),
        ("gzip", 1, body, "INVALID_ARGUMENT"),
        ("gzip", 1, b"", "INVALID_ARGUMENT"),
        ("snappy", 1, body, "UNIMPLEMENTED"),
        ("br", 0, body, "UNIMPLEMENTED"),
    ):
        told, _ = call_raw(server, coding, flag, sent)
        assert told["grpc-status"] == code[expected], (coding, flag, told)
        assert told["grpc-accept-encoding"] == "identity, deflate, gzip"
        # Whoever does not say what it takes gets it plain.
        assert "grpc-encoding" not in told


def test_a_client_of_grpc_that_goes_meanwhile(server: Server) -> None:
    zeros = np.zeros((MIB // 4, 4), np.float32)
    with grpc.insecure_channel(server.grpc_url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for _ in range(10):
            call = stub.ModelInfer.future(message(zeros), compression=grpc.Compression.Gzip)
            call.cancel()
    until(lambda: server.metric(HELD) <= 64 << 10)
    with (
        tritonclient.grpc.InferenceServerClient(server.grpc_url) as asking,
        pytest.raises(InferenceServerException, match="unknown model"),
    ):
        asking.infer("none", [], compression_algorithm="gzip")
