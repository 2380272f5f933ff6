"""The manifests hold to Volcano's and Kubernetes' own schemas, and run the built image safely."""

import copy
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from kubernetes.client.models.v1_deployment import V1Deployment
from kubernetes.client.models.v1_network_policy import V1NetworkPolicy
from kubernetes.client.models.v1_object_meta import V1ObjectMeta
from kubernetes.client.models.v1_persistent_volume_claim import V1PersistentVolumeClaim
from kubernetes.client.models.v1_persistent_volume_claim_spec import V1PersistentVolumeClaimSpec
from kubernetes.client.models.v1_pod_disruption_budget import V1PodDisruptionBudget
from kubernetes.client.models.v1_pod_template_spec import V1PodTemplateSpec
from kubernetes.client.models.v1_service import V1Service
from kubernetes.client.models.v2_horizontal_pod_autoscaler import V2HorizontalPodAutoscaler

from bazel.image.run import runtime
from deploy import manifest, schemas
from digits import train

DIGEST = Path(os.environ["DIGEST"]).read_text().strip()
SMALL = Path(os.environ["SMALL"])
SERVING, TRAINING, TRAINING_GPU = (
    str(Path(os.environ[name]).absolute()) for name in ("SERVING", "TRAINING", "TRAINING_GPU")
)
REGISTRY = "--registry=registry.test:5000"


SCHEMA = schemas.of_custom_resource(
    yaml.safe_load(Path(os.environ["SCHEMA"]).read_text()),
    V1ObjectMeta,
    V1PersistentVolumeClaimSpec,
    V1PodTemplateSpec,
)


def mistakes(job: object) -> list[str]:
    return schemas.mistakes(job, SCHEMA)


def run(program: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *options], capture_output=True, text=True, check=False)


def printed(*options: str, program: str = TRAINING) -> dict[str, Any]:
    done = run(program, REGISTRY, "--offline", *options)
    assert (done.returncode, done.stderr) == (0, "")
    job: dict[str, Any] = yaml.safe_load(done.stdout)
    return job


@pytest.fixture(scope="module", name="job")
def a_job_on_gpus() -> dict[str, Any]:
    words = ("--workers=4", "--gpus=8", "digits", "--epochs=200")
    return printed(*words, program=TRAINING_GPU)


def pod(job: Mapping[str, Any]) -> Any:
    return job["spec"]["tasks"][0]["template"]["spec"]


def test_volcano_and_kubernetes_know_every_field(job: dict[str, Any]) -> None:
    assert mistakes(job) == []
    assert mistakes(printed()) == []
    assert mistakes(printed("--namespace=team", "--pull-secret=a", "--pull-secret=b.c")) == []


@pytest.mark.parametrize(
    ("path", "value", "mistake"),
    [
        ("minAvailible", 2, "'minAvailible' was unexpected"),
        ("minAvailable", "2", "'2' is not of type 'integer'"),
        ("minAvailable", None, "None is not of type 'integer'"),
        ("plugins.svc", "", "'' is not of type 'array'"),
        ("policies.1.events.0", "PodKilled", "'PodKilled' is not one of"),
        ("policies.1.retries", 3, "'retries' was unexpected"),
        ("tasks.0.name", "Worker", "'Worker' does not match"),
        ("tasks.0.replica", 2, "'replica' was unexpected"),
        ("tasks.0.template.spec.container", [], "'container' was unexpected"),
        ("tasks.0.template.spec.containers.0.name", None, "None is not of type 'string'"),
        ("tasks.0.template.spec.containers.0.imagePolicy", "x", "'imagePolicy' was unexpected"),
        ("tasks.0.template.spec.containers.0.command", "train", "'train' is not of type 'array'"),
        ("tasks.0.template.spec.containers.0.resources.limits.cpu", 4, "4 is not of type 'string'"),
        ("tasks.0.template.spec.containers.0.securityContext.runAsUser", "x", "'x' is not of type"),
        ("tasks.0.template.spec.volumes.0.pvc", {}, "'pvc' was unexpected"),
    ],
)
def test_mistakes_are_found(job: dict[str, Any], path: str, value: object, mistake: str) -> None:
    wrong = copy.deepcopy(job)
    place: Any = wrong["spec"]
    *way, last = path.split(".")
    for step in way:
        place = place[int(step)] if step.isdigit() else place[step]
    place[int(last) if last.isdigit() else last] = value
    assert len(found := mistakes(wrong)) == 1
    assert mistake in found[0]


def test_what_is_missing_is_found(job: dict[str, Any]) -> None:
    wrong = copy.deepcopy(job)
    del pod(wrong)["containers"][0]["name"]
    assert mistakes(wrong) == [
        "$.spec.tasks[0].template.spec.containers[0]: 'name' is a required property"
    ]


def test_all_pods_or_none_and_again_after_a_failure(job: dict[str, Any]) -> None:
    spec = job["spec"]
    (task,) = spec["tasks"]
    assert spec["schedulerName"] == "volcano"
    assert spec["minAvailable"] == task["replicas"] == 4
    assert {"env", "svc"} <= spec["plugins"].keys()
    assert task["name"] == "worker"  # VC_WORKER_HOSTS
    assert {"events": ["PodEvicted", "PodFailed"], "action": "RestartJob"} in spec["policies"]
    assert task["policies"] == [{"event": "TaskCompleted", "action": "CompleteJob"}]
    assert pod(job)["restartPolicy"] == "Never"  # Volcano restarts all of them, not the node one


def test_the_image_that_was_built_by_its_digest(job: dict[str, Any]) -> None:
    assert re.fullmatch("sha256:[0-9a-f]{64}", DIGEST)
    assert (
        pod(printed())["containers"][0]["image"] == f"registry.test:5000/paddle/train_core@{DIGEST}"
    )
    on_gpus = pod(job)["containers"][0]["image"]
    assert on_gpus.startswith("registry.test:5000/paddle/train_gpu@sha256:")
    assert not on_gpus.endswith(DIGEST)


def test_a_repository_of_ones_own(job: dict[str, Any]) -> None:
    options = ("--offline", "--repository=registry.test/team/ours")
    (container,) = pod(yaml.safe_load(run(TRAINING, *options).stdout))["containers"]
    assert container["image"] == f"registry.test/team/ours@{DIGEST}"


def test_a_namespace_and_secrets_for_the_registry(job: dict[str, Any]) -> None:
    assert "namespace" not in job["metadata"]
    assert "imagePullSecrets" not in pod(job)
    other = printed("--namespace=team", "--pull-secret=a", "--pull-secret=b.c")
    assert other["metadata"]["namespace"] == "team"
    assert pod(other)["imagePullSecrets"] == [{"name": "a"}, {"name": "b.c"}]


@pytest.mark.parametrize("word", ["no", "on", "null", "true"])
def test_words_of_yaml_are_names_like_others(word: str) -> None:
    job = printed(f"--name={word}", f"--namespace={word}", f"--queue={word}")
    assert mistakes(job) == []
    assert (job["metadata"]["name"], job["spec"]["queue"]) == (word, word)
    done = run(SERVING, REGISTRY, "--offline", f"--name={word}", "--namespace=123")
    for told in yaml.safe_load_all(done.stdout):
        assert (told["metadata"]["name"], told["metadata"]["namespace"]) == (word, "123")
        if told["kind"] == "Service":
            assert told["spec"]["selector"] == {"app.kubernetes.io/name": word}


def test_the_examples_of_the_help_text_work() -> None:
    help_text = run(TRAINING, "--help").stdout
    examples = re.findall(r"//deploy:(\w+) -- (.*) \|", help_text)
    assert [target for target, _ in examples] == ["training", "training_gpu"]
    for program, (_, words) in zip((TRAINING, TRAINING_GPU), examples, strict=True):
        done = run(program, "--offline", *words.split())
        assert done.returncode == 0, done.stderr


def test_the_target_for_the_number_of_gpus_is_named() -> None:
    done = run(TRAINING, REGISTRY, "--gpus=8", "digits")
    assert done.returncode == 2
    assert "run `./bazelw run //deploy:training_gpu -- ...`" in " ".join(done.stderr.split())
    done = run(TRAINING_GPU, REGISTRY, "digits")
    assert done.returncode == 2
    assert "run `./bazelw run //deploy:training -- ...`" in " ".join(done.stderr.split())


def test_an_image_that_was_not_pushed_is_told_before_the_cluster_asks(tmp_path: Path) -> None:
    with runtime.registry(tmp_path / "registry") as port:
        repository = f"localhost:{port}/team/ours"
        options = ("--gpus=1", f"--repository={repository}")
        done = run(TRAINING_GPU, *options)
        assert (done.returncode, done.stdout) == (1, "")
        push = f"`./bazelw run //images:train_gpu_push -- --repository {repository}`"
        assert f"is not in its registry. Push it: {push}." in done.stderr
        copy = ["copy", "--quiet", "--dest-tls-verify=false", f"oci:{SMALL}"]
        skopeo = [str(runtime.tool("skopeo")), "--insecure-policy", *copy]
        subprocess.run([*skopeo, f"docker://{repository}:1"], check=True)
        done = run(TRAINING_GPU, *options)
        assert (done.returncode, done.stderr) == (0, "")
    # Gone again: what cannot be asked stops nobody.
    done = run(TRAINING_GPU, *options)
    assert done.returncode == 0
    assert yaml.safe_load(done.stdout)["kind"] == "Job"
    assert "not checked that the image was pushed" in done.stderr
    assert push in done.stderr


def test_gpus_and_processes(job: dict[str, Any]) -> None:
    (container,) = pod(job)["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"
    assert container["command"][:3] == ["train", "digits", "--epochs=200"]
    assert "--processes=8" in container["command"]
    (container,) = pod(printed())["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "0"
    assert "--processes=1" in container["command"]


def test_the_program_has_the_options_of_the_command(job: dict[str, Any]) -> None:
    (container,) = pod(job)["containers"]
    given = {word.partition("=")[0] for word in container["command"] if word.startswith("--")}
    known = {name for option in train.main.params for name in option.opts}
    assert given <= known
    port = next(option for option in train.main.params if option.name == "port")
    assert container["ports"][0]["containerPort"] == port.default


def test_no_privilege_and_no_writable_root(job: dict[str, Any]) -> None:
    spec = pod(job)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # All that the command writes lies in a volume.
    writable = [m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")]
    paths = [word.partition("=")[2] for word in container["command"] if "=/" in word]
    assert len(paths) == 3
    assert all(any(path.startswith(f"{w}/") for w in writable) for path in paths)
    assert {variable["name"]: variable["value"] for variable in container["env"]}[
        "HOME"
    ] in writable
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in spec["volumes"]}


def test_the_volumes_that_the_job_claims(job: dict[str, Any]) -> None:
    schema = schemas.of(V1PersistentVolumeClaim)
    claims = list(yaml.safe_load_all(Path(os.environ["VOLUMES"]).read_text()))
    for claim in claims:
        assert schemas.mistakes(claim, schema) == []
        assert schemas.mistakes({**claim, "specs": {}}, schema) != []
        assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    claimed = [volume.get("persistentVolumeClaim", {}) for volume in pod(job)["volumes"]]
    names = [claim["claimName"] for claim in claimed if claim]
    assert sorted(names) == sorted(claim["metadata"]["name"] for claim in claims)


KINDS = {
    kind.__name__.removeprefix("V1").removeprefix("V2"): schemas.of(kind)
    for kind in (
        V1Deployment,
        V1NetworkPolicy,
        V1PodDisruptionBudget,
        V1Service,
        V2HorizontalPodAutoscaler,
    )
}


def served(*options: str) -> dict[str, Any]:
    """What the cluster is told, by its kind."""
    done = run(SERVING, REGISTRY, "--offline", *options)
    assert (done.returncode, done.stderr) == (0, "")
    told = {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}
    for kind, document in told.items():
        assert schemas.mistakes(document, KINDS[kind]) == []
        assert schemas.mistakes({**document, "specs": {}}, KINDS[kind]) != []
    return told


def test_a_server_and_its_address() -> None:
    more = ("--namespace=team", "--pull-secret=a", "--models=ours", "--replicas=3", "--name=ocr")
    for options in ((), more):
        told = served(*options)
        deployment, service = told["Deployment"], told["Service"]
    assert deployment["spec"]["replicas"] == 3
    assert service["metadata"]["namespace"] == deployment["metadata"]["namespace"] == "team"
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (service["spec"]["selector"], deployment["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    pod_spec = deployment["spec"]["template"]["spec"]
    assert pod_spec["imagePullSecrets"] == [{"name": "a"}]
    claims = [volume.get("persistentVolumeClaim") for volume in pod_spec["volumes"]]
    assert {"claimName": "ours", "readOnly": True} in claims
    (container,) = pod_spec["containers"]
    assert container["image"] == f"registry.test:5000/paddle/inference@{DIGEST}"
    assert "command" not in container  # the image's own
    assert container["ports"][0]["name"] == service["spec"]["ports"][0]["targetPort"]
    done = run(SERVING, REGISTRY, "--gpus=1")
    assert "run `./bazelw run //deploy:serving_gpu -- ...`" in " ".join(done.stderr.split())


def test_what_chooses_pods_finds_those_of_the_server() -> None:
    told = served("--max-replicas=8", "--name=ocr")
    assert told.keys() == KINDS.keys()
    labels = told["Deployment"]["spec"]["template"]["metadata"]["labels"]
    chosen = [
        told["Deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"][0][
            "labelSelector"
        ],
        told["NetworkPolicy"]["spec"]["podSelector"],
        told["PodDisruptionBudget"]["spec"]["selector"],
    ]
    for selector in chosen:
        assert selector["matchLabels"].items() <= labels.items()
    for document in told.values():
        assert document["metadata"]["labels"] == manifest.labels("ocr")


def test_nothing_goes_out_and_only_its_ports_are_reached() -> None:
    told = served()
    policy = told["NetworkPolicy"]["spec"]
    assert (policy["policyTypes"], policy["egress"]) == (["Ingress", "Egress"], [])
    (container,) = told["Deployment"]["spec"]["template"]["spec"]["containers"]
    (ingress,) = policy["ingress"]
    assert [port["port"] for port in ingress["ports"]] == [p["name"] for p in container["ports"]]


def test_as_many_pods_as_what_waits_asks_for() -> None:
    assert "HorizontalPodAutoscaler" not in served()
    told = served("--replicas=2", "--max-replicas=8", "--queue-depth=16")
    assert "replicas" not in told["Deployment"]["spec"]  # or each apply would take pods back
    scaler = told["HorizontalPodAutoscaler"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 8)
    assert scaler["scaleTargetRef"]["name"] == told["Deployment"]["metadata"]["name"]
    (metric,) = scaler["metrics"]
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "16"}
    assert served("--replicas=0", "--max-replicas=1")
    done = run(SERVING, REGISTRY, "--offline", "--replicas=3", "--max-replicas=2")
    assert done.returncode == 2
    assert "--max-replicas 2 is less than --replicas 3." in done.stderr


@pytest.mark.parametrize("content", ["", "latest", "sha256:12", "sha256:" + "x" * 64])
def test_an_image_without_a_digest_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "digest").write_text(content)
    with pytest.raises(click.UsageError, match="holds no digest"):
        manifest.reference((f"train={tmp_path}/digest",), "train", "registry.test")


def test_templates_and_values_fit(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("a: $one\n")
    assert manifest.filled(template, {"one": "1"}) == "a: 1\n"
    assert manifest.filled(template, {"one": ""}) == ""
    template.write_text("a: 1\n--- # only with $one\nb: $one\nc: 2\n---\nd: 3\n")
    assert manifest.filled(template, {"one": ""}) == "a: 1\n---\nd: 3\n"
    assert manifest.filled(template, {"one": "1"}).count("---") == 2
    template.write_text('a: "$one"\n')
    assert manifest.filled(template, {"one": "no"}) == 'a: "no"\n'
    assert manifest.filled(template, {"one": ""}) == ""
    with pytest.raises(click.UsageError, match=r"asks for \$one"):
        manifest.filled(template, {})
    with pytest.raises(click.UsageError, match="no place for two"):
        manifest.filled(template, {"one": "1", "two": "2"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Give one of --registry HOST and --repository HOST/NAME."),
        ([REGISTRY, "--repository=registry.test/a"], "Give one of --registry"),
        (["--repository=registry.test"], "no such value as registry.example.org/team/ours"),
        ([REGISTRY, "--namespace=a.b"], "'a.b' is no such value as team"),
        ([REGISTRY, "--pull-secret=My Login"], "'My Login' is no such value as registry-login"),
        (["--registry=https://registry.test"], "no such value as registry.example.org:5000"),
        ([REGISTRY, "--gpu=8", "digits"], "No such option '--gpu'"),
        ([REGISTRY, "--name=My Job"], "'My Job' is no such value as digits-2"),
        ([REGISTRY, "--name=123"], "'123' is no such value as digits-2"),
        ([REGISTRY, "--queue=a: b"], "'a: b' is no such value as default"),
        ([REGISTRY, "--memory=8GB"], "'8GB' is no such value as 8Gi"),
    ],
)
def test_mistakes_of_a_person_are_usage_errors(options: list[str], said: str) -> None:
    done = run(TRAINING, *options)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert not done.stdout
