"""What the server answers, with the real digits model and a client that is not ours."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.http as triton

from cc.server import serving
from cc.server.digits import IMAGES, INFER, LABELS, REQUEST, make_repository
from cc.server.serving import Server


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[Server]:
    with serving.serving(
        f"--model_repository={repository}", "--max_request_bytes=1000000"
    ) as server:
        yield server
        # After everything that was done to it, it stops as it should.
        assert server.stop() == 0
        assert server.log[-1]["msg"] == "stopped"


@pytest.fixture
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.url) as client:
        yield client


def infer(
    server: Server,
    images: npt.NDArray[np.float32],
    binary_in: bool,
    binary_out: bool,
    name: str = "logits",
) -> npt.NDArray[np.float32]:
    forms = (binary_in, binary_out)
    answer = serving.infer(server.url, "digits", {"x": images}, [name], *forms, request_id="é7")
    return answer[name]


def test_metadata(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits")
    assert client.is_model_ready("digits", "1")
    assert not client.is_model_ready("digits", "3")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("digits") == {
        "name": "digits",
        "versions": ["1", "2"],
        "platform": "paddle_inference",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}],
    }
    assert [model["version"] for model in client.get_model_repository_index()] == ["1", "2"]


def test_every_form_gives_the_same_bits(server: Server) -> None:
    binary = infer(server, IMAGES, True, True)
    assert binary.shape == (len(IMAGES), 10)
    assert (binary.argmax(axis=1) == LABELS).mean() >= 0.97
    for binary_in, binary_out in ((True, False), (False, True), (False, False)):
        other = infer(server, IMAGES, binary_in, binary_out)
        assert other.tobytes() == binary.tobytes()


def test_no_outputs_named_means_all(client: triton.InferenceServerClient) -> None:
    x = triton.InferInput("x", [1, 1, 8, 8], "FP32")
    x.set_data_from_numpy(IMAGES[:1])
    assert client.infer("digits", [x]).as_numpy("logits").shape == (1, 10)


def test_raw_body(server: Server) -> None:
    status, headers, body = server.call(
        "POST", INFER, IMAGES[:2].tobytes(), Inference_Header_Content_Length="0"
    )
    assert status == 200
    length = int(headers["Inference-Header-Content-Length"])
    assert json.loads(body[:length])["outputs"][0]["shape"] == [2, 10]
    assert len(body) == length + 2 * 10 * 4


def test_client_gets_our_errors(server: Server) -> None:
    with pytest.raises(triton.InferenceServerException, match=r'unknown output "other"'):
        infer(server, IMAGES[:1], True, True, name="other")
    with pytest.raises(triton.InferenceServerException, match=r"is FP32 \[1,1,8,7\], wanted"):
        infer(server, IMAGES[:1, :, :, :7].copy(), False, False)
    with pytest.raises(triton.InferenceServerException, match="has 1025 rows; at most 1024"):
        infer(server, np.zeros((1025, 1, 8, 8), np.float32), True, True)
    with pytest.raises(triton.InferenceServerException, match="exceeds the limit of 1000000"):
        infer(server, np.zeros((5000, 1, 8, 8), np.float32), True, True)


def changed(**fields: Any) -> str:
    request = json.loads(REQUEST)
    request["inputs"][0].update(fields)
    return json.dumps(request)


MALFORMED = {
    "empty": "",
    "no JSON": "{",
    "no object": "[]",
    "no inputs": "{}",
    "empty inputs": '{"inputs":[]}',
    "two values": REQUEST + REQUEST,
    "no UTF-8": REQUEST.encode().replace(b'"x"', b'"\xff"'),
    "deep": '{"inputs":' + "[" * 100_000,
    "unknown input": changed(name="y"),
    "unknown type": changed(datatype="FP8"),
    "wrong type": changed(datatype="FP64"),
    "too few": changed(data=[1, 2]),
    "too many": changed(data=[0] * 65),
    "ragged": changed(data=[[[[0] * 8] * 7 + [[0] * 7]]]),
    "text": changed(data=["a"] * 64),
    "null": changed(data=[None] * 64),
    "too large a number": changed(data=[1e39] * 64),
    "no number": REQUEST.replace("0.0", "NaN"),
    "negative shape": changed(shape=[-1, 1, 8, 8]),
    "huge shape": changed(shape=[2**31 - 1, 2**31 - 1, 2**31 - 1, 2**31 - 1]),
    "overflowing shape": changed(shape=[2**63, 1, 8, 8]),
    "binary without header": changed(parameters={"binary_data_size": 256}),
    "shared memory": changed(parameters={"shared_memory_region": "a"}),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_requests(server: Server, body: str | bytes) -> None:
    status, headers, answer = server.call("POST", INFER, body)
    assert status == 400
    assert headers["Content-Type"] == "application/json"
    assert list(json.loads(answer)) == ["error"]
    assert server.call("POST", INFER, REQUEST)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v2/models/other", 404),
        ("POST", "/v2/models/digits/versions/3/infer", 404),
        ("POST", "/v2/models/../../etc/passwd/infer", 404),
        ("GET", INFER, 405),
        ("DELETE", INFER, 405),
        ("BREW", "/v2", 501),
    ],
)
def test_unknown_places(server: Server, method: str, path: str, status: int) -> None:
    got, headers, answer = server.call(method, path, REQUEST)
    assert got == status
    assert list(json.loads(answer)) == ["error"]
    assert ("Allow" in headers) == (status == 405)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /v2 HTTP/1.1\r\n\r\n", 400),
        (b"GET /v2 HTTP/2.0\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /" + b"x" * 100_000, 431),
        (b"POST /v2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1000001\r\n\r\n", 413),
        (
            b"POST %b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n"
            % INFER.encode(),
            413,
        ),
    ],
)
def test_what_is_no_request(server: Server, sent: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert list(json.loads(body)) == ["error"]


def test_metrics(server: Server) -> None:
    labels = 'protocol="http",endpoint="infer",model="digits",version="2",code="200"'
    series = f"paddle_server_requests_total{{{labels}}}"
    before = server.metric(series)
    server.call("POST", INFER, REQUEST)
    assert server.metric(series) == before + 1
    assert server.metric("process_resident_memory_bytes") > 1e6
    assert (
        server.metric('paddle_server_info{version="0.1.0",paddle_version="2.6.2",device="cpu"}')
        == 1
    )
    status, headers, _ = server.call("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
