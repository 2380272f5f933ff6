"""KServe knows every field of the runtime, and the pod that it makes of it serves a model."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client.models.v1_container import V1Container
from kubernetes.client.models.v1_local_object_reference import V1LocalObjectReference
from kubernetes.client.models.v1_object_meta import V1ObjectMeta
from kubernetes.client.models.v1_volume import V1Volume

from cc.server.serving import serving
from deploy import schemas

DIGEST = Path(os.environ["DIGEST"]).read_text().strip()
RUNTIME = str(Path(os.environ["SERVING_RUNTIME"]).absolute())
SCHEMA = schemas.of_custom_resource(
    yaml.safe_load(Path(os.environ["SCHEMA"]).read_text()),
    V1Container,
    V1LocalObjectReference,
    V1ObjectMeta,
    V1Volume,
)


def run(*options: str) -> subprocess.CompletedProcess[str]:
    words = [RUNTIME, "--registry=registry.test:5000", "--offline", *options]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def printed(*options: str) -> dict[str, Any]:
    done = run(*options)
    assert (done.returncode, done.stderr) == (0, "")
    runtime: dict[str, Any] = yaml.safe_load(done.stdout)
    assert schemas.mistakes(runtime, SCHEMA) == []
    return runtime


def container(runtime: Mapping[str, Any], name: str) -> dict[str, Any]:
    """That of the pod of an InferenceService of this name.

    As KServe's ReplacePlaceholders makes it
    (pkg/controller/v1beta1/inferenceservice/utils/utils.go): a template of
    Go over the container's JSON, to which the service's metadata are given.
    """
    (told,) = runtime["spec"]["containers"]
    text = json.dumps(told).replace("{{.Name}}", name)
    assert "{{" not in text
    filled: dict[str, Any] = json.loads(text)
    return filled


def test_kserve_knows_every_field_and_finds_the_runtime() -> None:
    runtime = printed("--namespace=team", "--pull-secret=a", "--memory=4Gi", "--cpus=2")
    assert runtime["kind"] == "ServingRuntime"
    assert runtime["metadata"]["namespace"] == "team"
    spec = runtime["spec"]
    (formats,) = spec["supportedModelFormats"]
    assert formats == {"name": "paddle", "version": "2", "autoSelect": True, "priority": 2}
    assert spec["protocolVersions"] == ["v2", "grpc-v2"]
    assert spec["imagePullSecrets"] == [{"name": "a"}]
    (told,) = spec["containers"]
    assert told["name"] == "kserve-container"
    assert told["image"] == f"registry.test:5000/paddle/inference@{DIGEST}"
    assert told["resources"]["limits"]["memory"] == "4Gi"
    assert [port["name"] for port in told["ports"]] == ["http1", "h2c"]


def test_a_runtime_of_all_namespaces() -> None:
    runtime = printed("--cluster")
    assert runtime["kind"] == "ClusterServingRuntime"
    assert "namespace" not in runtime["metadata"]
    done = run("--cluster", "--namespace=team")
    assert done.returncode == 2
    assert "leave --namespace out" in done.stderr


@pytest.mark.parametrize(
    ("protocol", "port", "probe"), [("v2", 8080, "httpGet"), ("grpc-v2", 8081, "grpc")]
)
def test_knative_sees_one_port_and_asks_no_other(protocol: str, port: int, probe: str) -> None:
    spec = printed(f"--protocol={protocol}")["spec"]
    (told,) = spec["containers"]
    assert spec["protocolVersions"] == [protocol]
    assert [one["containerPort"] for one in told["ports"]] == [port]
    assert told["readinessProbe"][probe]["port"] == port


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "container"), []),
        (("spec", "protocolVersions"), "v2"),
        (("spec", "supportedModelFormats", 0, "priority"), 0),
        (("spec", "supportedModelFormats", 0, "autoselect"), True),
        (("spec", "containers", 0, "arguments"), []),
        (("spec", "containers", 0, "resources", "limits", "memory"), 4),
    ],
)
def test_mistakes_are_found(path: tuple[str | int, ...], value: object) -> None:
    runtime: Any = printed()
    place = runtime
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert len(schemas.mistakes(runtime, SCHEMA)) == 1


@pytest.mark.parametrize("below", ["", "1"], ids=["the model right there", "a version"])
def test_the_pod_of_an_inference_service_serves_its_model(tmp_path: Path, below: str) -> None:
    told = container(printed(), "reviews")
    folder = tmp_path / "mnt" / below
    folder.mkdir(parents=True)
    for file in Path(os.environ["DIGITS"]).iterdir():
        # As Paddle's tools name what they export.
        (folder / file.name.replace("model.pd", "inference.pd")).write_bytes(file.read_bytes())
    (serve, *arguments) = told["args"]
    assert serve == "serve"
    # Where this test may listen, and has the model; of flags given twice the last counts.
    here = ["--port=0", "--grpc_port=0", "--host=127.0.0.1", f"--model_repository={tmp_path}/mnt"]
    with serving(*arguments, *here) as server:
        for probe in (told["readinessProbe"], told["livenessProbe"]):
            assert server.call("GET", probe["httpGet"]["path"])[0] == 200
        status, _, answer = server.call("GET", "/v2/models/reviews/versions/1")
        assert status == 200, answer
        assert json.loads(answer)["name"] == "reviews"
