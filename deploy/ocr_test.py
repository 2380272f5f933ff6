"""The OCR service's folder for kustomize: every field is one that the cluster knows.

kustomize itself is in no archive that the locks are made from; kubectl 1.29's was tried by hand.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
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
ALWAYS = KINDS.keys() - {"Ingress", "HTTPRoute", "PersistentVolumeClaim"}


def write(out: Path, *options: str, program: str = OCR) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, REGISTRY, "--offline", f"--out={out}", *options],
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass
class Overlay:
    """What it says, and the documents that it is over, by their kind."""

    image: str
    spec: Any  # of pods, as far as it says it
    base: dict[str, Any]

    @property
    def pod(self) -> Any:
        return self.base["Deployment"]["spec"]["template"]["spec"]


def kustomization(folder: Path, *keys: str) -> Any:
    told = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert (told.pop("apiVersion"), told.pop("kind")) == (
        "kustomize.config.k8s.io/v1beta1",
        "Kustomization",
    )
    assert sorted(told) == sorted(keys)
    return told


def read(folder: Path) -> Overlay:
    """An overlay whose parts fit to each other, over documents of which the cluster knows all."""
    told = kustomization(folder, "images", "patches", "resources")
    (place,) = told["resources"]
    base_folder = folder / place
    files = kustomization(base_folder, "resources")["resources"]
    assert {*files, "kustomization.yaml"} == {path.name for path in base_folder.iterdir()}
    documents = [
        document
        for file in files
        for document in yaml.safe_load_all((base_folder / file).read_text())
    ]
    base = {document["kind"]: document for document in documents}
    assert len(base) == len(documents)
    for kind, document in base.items():
        assert schemas.mistakes(document, KINDS[kind]) == []
        assert schemas.mistakes({**document, "specs": {}}, KINDS[kind]) != []

    (container,) = base["Deployment"]["spec"]["template"]["spec"]["containers"]
    (image,) = told["images"]
    assert image.keys() == {"name", "newName", "digest"}
    assert image["name"] == container["image"]
    (one,) = told["patches"]
    patch = yaml.safe_load(one["patch"])
    assert one["target"] == {"kind": patch["kind"]} == {"kind": "Deployment"}
    assert patch["metadata"] == {"name": base["Deployment"]["metadata"]["name"]}
    spec = patch["spec"]["template"]["spec"]
    # Merged by its name, it stays the one container.
    assert {told["name"] for told in spec.get("containers", ())} <= {container["name"]}
    whole = {"containers": [{"name": container["name"]}], **spec}
    patched = {"spec": {"selector": {}, "template": {"spec": whole}}}
    assert schemas.mistakes(patched, KINDS["Deployment"]) == []
    return Overlay(f"{image['newName']}@{image['digest']}", spec, base)


def test_the_image_that_was_built_by_its_digest(tmp_path: Path) -> None:
    done = write(tmp_path / "ocr")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"next: kubectl apply -k {tmp_path}/ocr/overlays/cpu" in done.stdout
    overlay = read(tmp_path / "ocr/overlays/cpu")
    assert overlay.image == f"registry.test:5000/paddle/ocr@{DIGEST}"
    assert overlay.spec == {"nodeSelector": {"kubernetes.io/arch": "amd64"}}
    (container,) = overlay.pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert overlay.base.keys() == ALWAYS
    labels = overlay.base["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert overlay.base["Service"]["spec"]["selector"].items() <= labels.items()
    watched = overlay.base["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
    assert watched.items() <= labels.items()


def test_overlays_lie_beside_each_other_on_one_base(tmp_path: Path) -> None:
    bases, overlays = [], {}
    for program, name in ((OCR, "cpu"), (OCR_ARM64, "arm64"), (OCR_GPU, "gpu")):
        assert write(tmp_path, "--replicas=3", program=program).returncode == 0
        bases.append({path.name: path.read_text() for path in (tmp_path / "base").iterdir()})
        overlays[name] = read(tmp_path / "overlays" / name)
    assert bases[0] == bases[1] == bases[2]
    assert {path.name for path in (tmp_path / "overlays").iterdir()} == overlays.keys()
    assert overlays["cpu"].base["Deployment"]["spec"]["replicas"] == 3
    assert overlays["cpu"].image.endswith(DIGEST)
    assert overlays["arm64"].image.startswith("registry.test:5000/paddle/ocr@sha256:")
    assert overlays["arm64"].spec == {"nodeSelector": {"kubernetes.io/arch": "arm64"}}
    assert overlays["gpu"].image.startswith("registry.test:5000/paddle/ocr_gpu@sha256:")
    (container,) = overlays["gpu"].spec["containers"]
    assert container["resources"] == {"limits": {"nvidia.com/gpu": "1"}}


def test_an_ingress_or_a_route_leads_to_the_service(tmp_path: Path) -> None:
    host = "--host=ocr.example.org"
    assert write(tmp_path, host, "--ingress-class=nginx").returncode == 0
    base = read(tmp_path / "overlays/cpu").base
    ports = {port["name"]: port["port"] for port in base["Service"]["spec"]["ports"]}
    assert base.keys() == ALWAYS | {"Ingress"}
    (rule,) = base["Ingress"]["spec"]["rules"]
    assert rule["host"] == "ocr.example.org"
    for path in rule["http"]["paths"]:
        service = path["backend"]["service"]
        assert service["name"] == base["Service"]["metadata"]["name"]
        assert service["port"]["name"] in ports

    assert write(tmp_path, host, "--gateway=web", "--namespace=team").returncode == 0
    base = read(tmp_path / "overlays/cpu").base
    assert base.keys() == ALWAYS | {"HTTPRoute"}
    assert {one["metadata"]["namespace"] for one in base.values()} == {"team"}
    (rule,) = base["HTTPRoute"]["spec"]["rules"]
    (backend,) = rule["backendRefs"]
    assert backend == {"name": base["Service"]["metadata"]["name"], "port": ports["http"]}


def test_models_of_a_claim(tmp_path: Path) -> None:
    assert write(tmp_path, "--models=ours", "--name=ocr-2").returncode == 0
    overlay = read(tmp_path / "overlays/cpu")
    assert overlay.base["PersistentVolumeClaim"]["metadata"]["name"] == "ours"
    claim = {"claimName": "ours", "readOnly": True}
    assert {"name": "models", "persistentVolumeClaim": claim} in overlay.pod["volumes"]
    assert overlay.base["Service"]["metadata"]["name"] == "ocr-2"
    # What was asked for before is gone.
    assert write(tmp_path).returncode == 0
    assert read(tmp_path / "overlays/cpu").base.keys() == ALWAYS


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
