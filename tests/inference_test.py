"""The inference image from push to prediction: what a site does with it, by others' clients.

Pushed to the embedded registry, pulled back by digest with skopeo, run as a
container engine would, asked by tritonclient, HTTP and gRPC.
"""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from bazel.image.run import runtime
from bazel.model.private import ways
from cc.server import grpc_client, serving

PUSH = Path(os.environ["PUSH"]).absolute()
DIGEST = Path(os.environ["DIGEST"]).read_text().strip()
MODEL = Path(os.environ["MODEL"])
SAMPLES = Path(os.environ["SAMPLES"])

X: NDArray[np.float32] = np.load(SAMPLES / "x.npy")
LABELS: NDArray[np.int64] = np.load(SAMPLES / "labels.npy")


def push(home: Path) -> str:
    """Pushes to the embedded registry; gives what the command printed."""
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    result = subprocess.run([PUSH], env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a user who has pushed the image."""
    folder = tmp_path_factory.mktemp("home")
    push(folder)
    return folder


@pytest.fixture(scope="module")
def pulled(home: Path) -> Path:
    """The image as skopeo gets it back from the registry, by its digest."""
    with runtime.registry(home / ".cache/paddle_images/registry") as port:
        subprocess.run(
            [
                *(runtime.tool("skopeo"), "copy", "--quiet", "--preserve-digests"),
                *("--insecure-policy", "--src-tls-verify=false"),
                f"docker://localhost:{port}/paddle/inference@{DIGEST}",
                f"oci:{home}/pulled:latest",
            ],
            check=True,
        )
    return home / "pulled"


@pytest.fixture(scope="module")
def container(pulled: Path, home: Path) -> Iterator[runtime.Container]:
    with runtime.Container(pulled, cache=home / "run") as container:
        container.wait_ready("/v2/health/ready")
        yield container


@pytest.fixture(params=[8080, 8081], ids=["http", "grpc"])
def client(container: runtime.Container, request: pytest.FixtureRequest) -> Iterator[Any]:
    """tritonclient's, by either protocol."""
    module = {8080: tritonclient.http, 8081: tritonclient.grpc}[request.param]
    with module.InferenceServerClient(container.address(request.param)) as client:
        yield client


@pytest.fixture(scope="module")
def python_logits() -> NDArray[np.float32]:
    """What Paddle's own Python engine answers for the whole held-out split, with its defaults."""
    return ways.paddle_inference(MODEL, {"x": X}, onednn=True)["logits"]


def infer(
    container: runtime.Container, binary_in: bool = True, binary_out: bool = True
) -> NDArray[np.float32]:
    url = container.address(8080)
    return serving.infer(url, "digits", {"x": X}, ["logits"], binary_in, binary_out)["logits"]


def infer_by_grpc(container: runtime.Container) -> NDArray[np.float32]:
    return grpc_client.infer(container.address(8081), "digits", {"x": X}, ["logits"])["logits"]


def test_a_second_push_gives_the_same_digest_and_uploads_nothing(home: Path) -> None:
    said = push(home)
    assert f"localhost:5000/paddle/inference@{DIGEST} " in said
    assert re.search(r"\d layers, 0 new", said)
    assert "verified pulled back by digest: equal" in said


def test_what_is_pulled_has_the_digest_that_was_built(pulled: Path) -> None:
    index = json.loads((pulled / "index.json").read_text())
    assert index["manifests"][0]["digest"] == DIGEST


def test_it_is_alive_and_ready(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits")
    assert not client.is_model_ready("absent")


def test_metadata(client: Any) -> None:
    options = (
        {"as_json": True} if isinstance(client, tritonclient.grpc.InferenceServerClient) else {}
    )
    server = client.get_server_metadata(**options)
    assert "model_repository" in server["extensions"]
    model = client.get_model_metadata("digits", **options)
    for kind, name, shape in (("inputs", "x", [-1, 1, 8, 8]), ("outputs", "logits", [-1, 10])):
        (tensor,) = model[kind]
        # JSON of protobuf has 64-bit numbers as text.
        told = (tensor["name"], tensor["datatype"], [int(size) for size in tensor["shape"]])
        assert told == (name, "FP32", shape)


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_the_bits_are_those_of_python(
    container: runtime.Container,
    python_logits: NDArray[np.float32],
    binary_in: bool,
    binary_out: bool,
) -> None:
    logits = infer(container, binary_in, binary_out)
    assert logits.dtype == np.float32
    assert logits.tobytes() == python_logits.tobytes()


def test_the_bits_by_grpc_are_those_of_python(
    container: runtime.Container, python_logits: NDArray[np.float32]
) -> None:
    assert infer_by_grpc(container).tobytes() == python_logits.tobytes()


def test_held_out_images_get_the_right_digits(container: runtime.Container) -> None:
    assert (infer(container).argmax(axis=1) == LABELS).mean() >= 0.97


def test_the_readme_request(container: runtime.Container) -> None:
    told = re.search(r"curl localhost:8080(\S+) -d @bazel-bin/(\S+)", Path("README.md").read_text())
    assert told
    body = Path(told[2]).read_bytes()
    url = container.url + told[1]
    with urllib.request.urlopen(url, data=body, timeout=10) as response:
        answer = json.load(response)
    (logits,) = answer["outputs"]
    assert np.argmax(logits["data"]) == LABELS[0]


def test_a_bad_request_gets_an_error_and_harms_nobody(
    container: runtime.Container, python_logits: NDArray[np.float32]
) -> None:
    for body, path, status in (
        (b"{", "/v2/models/digits/infer", 400),
        (b"{}", "/v2/models/digits/infer", 400),
        (b"{}", "/v2/models/absent/infer", 404),
        (b" " * (65 << 20), "/v2/models/digits/infer", 413),
    ):
        try:
            with urllib.request.urlopen(container.url + path, data=body, timeout=30):
                pytest.fail(f"{path} took {body[:20]!r}")
        except urllib.error.HTTPError as error:
            assert error.code == status
            assert json.loads(error.read())["error"]
        except (ConnectionError, urllib.error.URLError) as error:
            # The answer to too large a body may meet a client that still sends.
            assert status == 413, error
    for inputs, model, code in (
        ({"x": X[:, :, :7]}, "digits", "INVALID_ARGUMENT"),
        ({"no_such": X}, "digits", "INVALID_ARGUMENT"),
        ({"x": X}, "absent", "NOT_FOUND"),
    ):
        with pytest.raises(InferenceServerException) as refused:
            grpc_client.infer(container.address(8081), model, inputs, ["logits"])
        assert refused.value.status() == f"StatusCode.{code}"
    assert infer(container).tobytes() == python_logits.tobytes()


def test_metrics_count_requests(container: runtime.Container) -> None:
    def count(protocol: str, code: int) -> float:
        with urllib.request.urlopen(f"{container.url}/metrics", timeout=10) as response:
            text = response.read().decode()
        labels = f'protocol="{protocol}",endpoint="infer",model="digits",version="1",code="{code}"'
        found = re.search(rf"^paddle_server_requests_total\{{{labels}\}} (\S+)$", text, re.M)
        return float(found[1]) if found else 0

    for protocol, code, ask in (("http", 200, infer), ("grpc", 0, infer_by_grpc)):
        before = count(protocol, code)
        ask(container)
        serving.until(lambda: count(protocol, code) == before + 1)  # noqa: B023  # called here


def test_it_logs_json_lines(container: runtime.Container) -> None:
    def requests() -> int:
        lines = [json.loads(line) for line in container.stdout.splitlines()]
        return sum(line.get("path") == "/v2/models/digits/infer" for line in lines)

    before = requests()
    infer(container)
    deadline = time.monotonic() + 300
    while requests() <= before:
        assert time.monotonic() < deadline, container.stdout
        time.sleep(0.05)


def test_sigterm_ends_it_in_time(pulled: Path, home: Path) -> None:
    with runtime.Container(pulled, cache=home / "run") as container:
        container.wait_ready("/v2/health/ready")
        start = time.monotonic()
        assert container.stop() == 0
        assert time.monotonic() - start < 5


def test_a_truncated_model_is_refused_before_it_listens(
    pulled: Path, home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "digits/1"
    folder.mkdir(parents=True)
    shutil.copyfile(MODEL / "model.pdmodel", folder / "model.pdmodel")
    parameters = (MODEL / "model.pdiparams").read_bytes()
    (folder / "model.pdiparams").write_bytes(parameters[: len(parameters) // 2])
    for path in (tmp_path, tmp_path / "digits", folder, *folder.iterdir()):
        path.chmod(0o755)
    options = ["--volume", f"{tmp_path}:/models:ro"]
    container = runtime.Container(pulled, cache=home / "run", options=options)
    assert container.wait() == 1
    said = container.stdout + container.stderr
    assert "/models/digits/1/model.pdiparams" in said
    assert "Ready" not in said
