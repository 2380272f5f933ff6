"""The whole server, with the real digits model and a client that is not ours."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.http as triton

PROGRAM = [os.environ["RUN"], os.environ["SERVER"]]
DIGITS = Path(os.environ["DIGITS"])
SAMPLES = Path(os.environ["SAMPLES"])
IMAGES: npt.NDArray[np.float32] = np.load(SAMPLES / "x.npy")
LABELS = np.load(SAMPLES / "labels.npy")
REQUEST = (SAMPLES / "request.json").read_text()
INFER = "/v2/models/digits/infer"


class Server:
    """A running server and what it has logged."""

    def __init__(self, *flags: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, "serve", "--port=0", *flags], stdout=subprocess.PIPE, text=True
        )
        self.log: list[dict[str, Any]] = []
        self.port = 0
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(json.loads(line))
            if self.log[-1]["msg"] == "listening":
                self.port = self.log[-1]["port"]
                break
        # The rest is read beside the test, or the server would wait for us.
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.log += [json.loads(line) for line in self.process.stdout]

    def call(
        self, method: str, path: str, body: str | bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

    def metric(self, series: str) -> float:
        text = self.call("GET", "/metrics")[2].decode()
        found = re.search(f"^{re.escape(series)} (.*)$", text, re.MULTILINE)
        return float(found[1]) if found else 0

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Exit code, and seconds it took."""
        start = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self.reader.join()
        return code, time.monotonic() - start


@contextlib.contextmanager
def serving(*flags: str) -> Iterator[Server]:
    server = Server(*flags)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
        server.reader.join()


def run(
    *arguments: str, stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | (env or {}),
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    for version in ("1", "2"):
        shutil.copytree(DIGITS, root / "digits" / version)
    return root


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[Server]:
    with serving(f"--model_repository={repository}", "--max_request_bytes=1000000") as server:
        yield server
        # After everything that was done to it, it stops as it should.
        code, seconds = server.stop()
        assert code == 0
        assert seconds < 5
        assert server.log[-1]["msg"] == "stopped"


@pytest.fixture
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def infer(
    client: triton.InferenceServerClient,
    images: npt.NDArray[np.float32],
    binary_in: bool,
    binary_out: bool,
    name: str = "logits",
) -> npt.NDArray[np.float32]:
    x = triton.InferInput("x", list(images.shape), "FP32")
    x.set_data_from_numpy(images, binary_data=binary_in)
    output = triton.InferRequestedOutput(name, binary_data=binary_out)
    result: npt.NDArray[np.float32] = client.infer(
        "digits", [x], outputs=[output], request_id="é7"
    ).as_numpy(name)
    return result


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


def test_every_form_gives_the_same_bits(client: triton.InferenceServerClient) -> None:
    binary = infer(client, IMAGES, True, True)
    assert binary.shape == (len(IMAGES), 10)
    assert (binary.argmax(axis=1) == LABELS).mean() >= 0.97
    for binary_in, binary_out in ((True, False), (False, True), (False, False)):
        other = infer(client, IMAGES, binary_in, binary_out)
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


def test_client_gets_our_errors(client: triton.InferenceServerClient) -> None:
    with pytest.raises(triton.InferenceServerException, match=r'unknown output "other"'):
        infer(client, IMAGES[:1], True, True, name="other")
    with pytest.raises(triton.InferenceServerException, match=r"is FP32 \[1,1,8,7\], wanted"):
        infer(client, IMAGES[:1, :, :, :7].copy(), False, False)
    with pytest.raises(triton.InferenceServerException, match="exceeds the limit of 1000000"):
        infer(client, np.zeros((5000, 1, 8, 8), np.float32), True, True)


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
    "empty shape": changed(shape=[0, 1, 8, 8], data=[]),
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
        ("GET", "/", 404),
        ("GET", "/v2/models/other", 404),
        ("POST", "/v2/models/digits/versions/3/infer", 404),
        ("POST", "/v2/models/../../etc/passwd/infer", 404),
        ("GET", INFER, 405),
        ("BREW", "/v2", 405),
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
            b"POST /v2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
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
    series = 'paddle_server_requests_total{endpoint="infer",model="digits",version="2",code="200"}'
    before = server.metric(series)
    server.call("POST", INFER, REQUEST)
    assert server.metric(series) == before + 1
    assert server.metric("process_resident_memory_bytes") > 1e6
    assert server.metric('paddle_server_info{version="0.1.0",paddle_version="2.6.2"}') == 1
    status, headers, _ = server.call("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")


Answers = list[tuple[int, dict[str, str]]]


@contextlib.contextmanager
def large_requests(server: Server) -> Iterator[Answers]:
    """Six requests at once that keep an instance busy; at the end all are answered."""
    body = np.zeros((10_000, 1, 8, 8), np.float32).tobytes()
    answers: Answers = []

    def post() -> None:
        status, headers, _ = server.call("POST", INFER, body, Inference_Header_Content_Length="0")
        answers.append((status, headers))

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    while server.metric('paddle_server_running{model="digits",version="2"}') < 1:
        assert len(answers) < 6, "the requests were over before one was seen running"
    yield answers
    for thread in threads:
        thread.join()


def test_full_queue(repository: Path) -> None:
    with serving(f"--model_repository={repository}", "--max_queue=1") as server:
        with large_requests(server):
            # The event loop serves others meanwhile.
            assert server.call("GET", "/v2/health/ready")[0] == 200
        with large_requests(server) as answers:
            pass
        assert {status for status, _ in answers} == {200, 503}
        assert {headers.get("Retry-After") for status, headers in answers if status == 503} == {"1"}
        assert server.call("POST", INFER, REQUEST)[0] == 200
        reason = 'paddle_server_rejected_total{model="digits",version="2",reason="queue_full"}'
        assert server.metric(reason) >= 1


def test_sigterm_finishes_what_was_accepted(repository: Path) -> None:
    with serving(f"--model_repository={repository}", "--drain_timeout_ms=60000") as server:
        with large_requests(server) as answers:
            while server.metric('paddle_server_queue_depth{model="digits",version="2"}') < 4:
                assert len(answers) < 4, "the requests were over before the others waited"
            server.process.send_signal(signal.SIGTERM)
            # Readiness turns false, new requests are refused.
            while server.call("GET", "/v2/health/ready")[0] == 200:
                pass
            status, headers, body = server.call("POST", INFER, REQUEST)
            assert status == 503
            assert headers["Retry-After"] == "1"
            assert "shutting down" in json.loads(body)["error"]
            assert server.call("GET", "/v2/health/live")[0] == 200
        # Five were accepted for sure; the sixth may have come too late.
        statuses = [status for status, _ in answers]
        assert statuses.count(200) >= 5
        assert statuses.count(200) + statuses.count(503) == 6
        assert answers[-1][1]["Connection"] == "close"
        assert server.process.wait(timeout=30) == 0


def test_drain_timeout_is_kept(repository: Path) -> None:
    with serving(f"--model_repository={repository}", "--drain_timeout_ms=1") as server:
        with (
            pytest.MonkeyPatch.context() as patch,
            large_requests(server),
        ):
            # The clients see their connections end, as they should.
            patch.setattr(threading, "excepthook", lambda _: None)
            code, _ = server.stop()
        assert code == 1
        assert server.log[-1]["level"] == "error"
        assert server.log[-1]["abandoned"] >= 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_stops_at_once(repository: Path, number: int) -> None:
    with serving(f"--model_repository={repository}") as server:
        idle = socket.create_connection(("127.0.0.1", server.port))
        code, seconds = server.stop(number)
        assert code == 0
        assert seconds < 3
        assert idle.recv(1) == b""
        assert [line["msg"] for line in server.log][-2:] == ["listening", "stopped"]


def test_every_log_line_is_json_and_tells_the_request(repository: Path) -> None:
    with serving(f"--model_repository={repository}", "--log_level=debug") as server:
        server.call("POST", INFER, REQUEST.replace("{", '{"id": "\\u00e9\\"", ', 1))
        server.call("GET", "/v2/models/%FF%22")
        server.call("GET", "/v2/health/live")
        server.stop()
    good, bad, live = (line for line in server.log if line["msg"] == "request")
    assert good["id"] == 'é"'
    assert good["status"] == 200
    assert good["model"] == "digits"
    assert good["compute_us"] > 0
    assert bad["status"] == 404
    assert bad["error"].startswith("unknown model")
    assert live["level"] == "debug"


def test_second_server_on_the_port(server: Server, repository: Path) -> None:
    second = run("serve", f"--port={server.port}", f"--model_repository={repository}")
    assert second.returncode == 1
    assert f"port {server.port}: Address already in use" in second.stderr
    assert "--port" in second.stderr
    assert json.loads(second.stdout)["level"] == "error"
    assert server.call("POST", INFER, REQUEST)[0] == 200


@pytest.mark.parametrize("name", ["model.pdmodel", "model.pdiparams"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_broken_model(tmp_path: Path, name: str, damage: str) -> None:
    directory = tmp_path / "digits" / "7"
    shutil.copytree(DIGITS, directory)
    file = directory / name
    data = file.read_bytes()
    directory.chmod(0o755)
    file.unlink()
    if damage != "missing":
        file.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    started = run("serve", "--port=0", f"--model_repository={tmp_path}")
    assert started.returncode == 1
    assert f'model "digits" version 7 in {directory} cannot be loaded' in started.stderr
    assert name in started.stderr
    assert "listening" not in started.stdout


def test_no_models(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        started = run("serve", "--port=0", f"--model_repository={path}")
        assert started.returncode == 1
        assert "NAME/VERSION/model.pdmodel" in started.stderr


def test_predict(tmp_path: Path) -> None:
    model = f"--model={DIGITS}"
    done = run("predict", model, "--input=-", stdin=REQUEST)
    assert done.returncode == 0, done.stderr
    logits = json.loads(done.stdout)["outputs"][0]["data"]
    assert int(np.argmax(logits)) == LABELS[0]

    out = tmp_path / "out.npy"
    x = SAMPLES / "x.npy"
    # The very bits that the trained network gave in Python, under MKL's setting of that time.
    done = run(
        *("predict", model, f"--input={x}", f"--output=logits={out}", "--onednn=0"),
        env={"MKL_CBWR": "COMPATIBLE"},
    )
    assert done.returncode == 0, done.stderr
    assert np.load(out).tobytes() == np.load(SAMPLES / "logits.npy").tobytes()


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["--input=-"], "{", "malformed"),
        (["--input=-"], "{}", '"inputs" is missing'),
        (["--input=/missing.json"], "", "cannot read /missing.json"),
        (["--input=-", "--format=npy"], "no npy", "-: "),
        (["--input=y=/dev/null", "--format=npy"], "", "/dev/null: "),
        (["--input=-", "--output=/missing/out"], REQUEST, "cannot write /missing/out"),
    ],
)
def test_predict_errors(arguments: list[str], stdin: str, message: str) -> None:
    done = run("predict", f"--model={DIGITS}", *arguments, stdin=stdin)
    assert done.returncode == 1
    assert message in done.stderr


def test_healthcheck(server: Server) -> None:
    assert run("healthcheck", f"--port={server.port}").returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = run("healthcheck", f"--port={port}")
    assert done.returncode == 1
    assert f"no server answers on 127.0.0.1 port {port}" in done.stderr


def test_usage() -> None:
    assert "server serve" in run("--help").stdout
    assert "Paddle 2.6.2" in run("--version").stdout
    for command in ("serve", "predict", "healthcheck"):
        done = run(command, "--help")
        assert done.returncode == 0
        assert "--port" in done.stdout or "--model" in done.stdout
    for wrong in ([], ["dance"], ["serve", "--tempo=3"], ["serve", "--port=x"], ["predict"]):
        done = run(*wrong)
        assert done.returncode == 2
        assert done.stderr.startswith("server: ")
