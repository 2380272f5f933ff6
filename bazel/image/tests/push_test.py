"""Images as users meet them: pushed, pulled back, loaded."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import tarfile
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bazel.image.oci.artifacts import (
    CYCLONEDX,
    IN_TOTO,
    SPDX,
    Layout,
    artifact,
    index_of,
    read,
    referrers_tag,
    write,
)
from bazel.image.oci.layout import Image, Json
from bazel.image.registry import registry as embedded
from bazel.image.run import runtime
from bazel.image.tests.users import (
    HERE,
    LIMIT,
    SMALL,
    children,
    command_of,
    environment,
    get,
    gone,
    program,
    push_beside,
)
from bazel.oci.layout import OCI_INDEX, OCI_MANIFEST


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path)


def test_digest_does_not_depend_on_labels() -> None:
    digests = [(HERE / f"{name}.json.sha256").read_text() for name in ("small", "renamed")]
    assert digests[0] == digests[1] == Image(SMALL).digest + "\n"


def test_push_twice_and_pull(home: dict[str, str], tmp_path: Path) -> None:
    image = Image(SMALL)
    first, second = (program("small_push", env=home) for _ in range(2))
    assert first.returncode == 0, first.stderr
    reference = f"localhost:5000/paddle/small@{image.digest}"
    assert first.stdout.splitlines()[0].startswith(f"pushed   {reference}   ")
    assert "3 layers, 3 new" in first.stdout
    assert "3 layers, 0 new" in second.stdout
    assert "verified pulled back by digest: equal" in second.stdout
    storage = tmp_path / ".cache" / "paddle_images" / "registry"
    with runtime.registry(storage) as port:
        source = f"docker://localhost:{port}/paddle/small@{image.digest}"
        command = [
            str(runtime.tool("skopeo")),
            "--insecure-policy",
            "copy",
            "--src-tls-verify=false",
        ]
        target = tmp_path / "pulled"
        subprocess.run([*command, source, f"oci:{target}"], check=True, stdout=subprocess.DEVNULL)
        assert Image(target).digest == image.digest
        tags = get(f"http://127.0.0.1:{port}/v2/paddle/small/tags/list")
        beside = image.digest.replace(":", "-")
        assert sorted(json.loads(tags)["tags"]) == ["1.0", beside]


def test_bills_and_provenance_are_pushed_beside(home: dict[str, str], tmp_path: Path) -> None:
    image = Image(SMALL)
    assert program("small_push", env=home).returncode == 0
    with runtime.registry(tmp_path / ".cache" / "paddle_images" / "registry") as port:
        url = f"http://127.0.0.1:{port}/v2/paddle/small"
        accept = {"Accept": "application/vnd.oci.image.index.v1+json"}
        index = json.loads(get(f"{url}/manifests/{image.digest.replace(':', '-')}", accept))
        told = {}
        for entry in index["manifests"]:
            accept = {"Accept": entry["mediaType"]}
            manifest = json.loads(get(f"{url}/manifests/{entry['digest']}", accept))
            assert manifest["subject"]["digest"] == image.digest
            blob = manifest["layers"][0]["digest"]
            told[manifest["artifactType"]] = json.loads(get(f"{url}/blobs/{blob}"))
    assert told["application/spdx+json"]["spdxVersion"] == "SPDX-2.3"
    assert told["application/vnd.cyclonedx+json"]["specVersion"] == "1.5"
    statement = told["application/vnd.in-toto+json"]
    assert statement["subject"][0]["digest"]["sha256"] == image.digest.partition(":")[2]
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {
        "target": "//bazel/image/tests:small",
        "flags": {"compilation_mode": "opt", "compression": "gzip"},
    }
    made_of = definition["resolvedDependencies"]
    digests = {entry.get("uri"): entry["digest"].get("sha256") for entry in made_of}
    lock = Path("debian_lock.json")
    assert digests["file:debian_lock.json"] == hashlib.sha256(lock.read_bytes()).hexdigest()
    assert any(uri and uri.startswith("pkg:deb/debian/libc6@") for uri in digests)
    purls = {uri for uri in digests if uri and uri.startswith("pkg:")}
    assert purls <= {c.get("purl") for c in told["application/vnd.cyclonedx+json"]["components"]}


def test_a_pushed_image_is_verified(home: dict[str, str], tmp_path: Path) -> None:
    assert program("small_push", env=home).returncode == 0
    verified = program("verify", f"--vsa={tmp_path}/vsa.jsonl", env=home)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    for line in (
        "signature  of the image: not checked (--key NAME.pub does)",
        "beside     SPDX, CycloneDX, provenance",
        "bills      name the same things",
        "provenance of this image",
        "lock       debian_lock.json equal",
        "rebuilt    //bazel/image/tests:small here: equal",
        "rebuilt    its bills here: equal",
        "verified",
    ):
        assert line in verified.stdout.splitlines()
    summary = json.loads((tmp_path / "vsa.jsonl").read_text())
    assert summary["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert summary["subject"][0]["digest"]["sha256"] == Image(SMALL).digest.partition(":")[2]
    predicate = summary["predicate"]
    assert predicate["verificationResult"] == "PASSED"
    assert predicate["verifiedLevels"] == ["SLSA_BUILD_LEVEL_1", "PADDLE_IMAGES_REBUILT"]
    policy = base64.b64decode(predicate["policy"]["content"])
    assert predicate["policy"]["digest"]["sha256"] == hashlib.sha256(policy).hexdigest()
    lock = hashlib.sha256(Path("debian_lock.json").read_bytes()).hexdigest()
    assert json.loads(policy)["locks"]["debian_lock.json"] == lock
    beside = Image(HERE / "small_referrers")
    inputs = {entry["digest"]["sha256"] for entry in predicate["inputAttestations"]}
    assert len(inputs) == 3
    assert all(beside.blob(f"sha256:{digest}").exists() for digest in inputs)


def test_a_push_says_which_updates_the_image_lacks(home: dict[str, str]) -> None:
    done = program("small_push", env=home)
    assert done.returncode == 0, done.stderr
    (line,) = [text for text in done.stdout.splitlines() if text.startswith("security ")]
    said = Image(SMALL).config["config"]["Labels"]["paddle_images.security"]
    date = json.loads(Path("security_lock.json").read_text())["date"]
    assert said in ("base", date)
    assert line.startswith(f"security with{'out' if said == 'base' else ' the'} updates")
    assert f"by security_lock.json of {date}" in line
    target = "//bazel/image/tests:small_push"
    assert "; none is pending " in line or f"run --config=patched {target}`" in line


def test_an_image_of_the_other_kind_is_told_how_it_is_verified(
    home: dict[str, str], tmp_path: Path
) -> None:
    patched = Image(SMALL).config["config"]["Labels"]["paddle_images.security"] != "base"
    with runtime.registry(tmp_path / "elsewhere") as port:
        to = f"localhost:{port}/team/name"
        assert program("small_push", "--repository", to, "--tag=v1", env=home).returncode == 0
        push_beside(to, other_kind)
        done = program("verify", f"{to}:v1", env=home)
    assert done.returncode == 1
    how = f"with{'out' if patched else ''} `--config=patched`"
    line = f"lock       it was built {how}: verify it {how} too"
    assert line in done.stdout.splitlines(), done.stdout


def other_kind(told: Json) -> None:
    """Makes the provenance that of an image with updates, or of one without."""
    made_of = told[IN_TOTO]["predicate"]["buildDefinition"]["resolvedDependencies"]
    lock = {"uri": "file:security_lock.json", "digest": {"sha256": "0" * 64}}
    without = [entry for entry in made_of if entry.get("uri") != lock["uri"]]
    made_of[:] = without if len(without) < len(made_of) else [*made_of, lock]


def test_bills_are_held_to_the_layers(home: dict[str, str], tmp_path: Path) -> None:
    with runtime.registry(tmp_path / "elsewhere") as port:
        to = f"localhost:{port}/team/name"
        assert program("small_push", "--repository", to, "--tag=v1", env=home).returncode == 0
        good = program("verify", "--deep", f"{to}:v1", env=home)
        push_beside(to, lambda told: None)
        same = program("verify", f"{to}:v1", env=home)
        # Both bills forget a package.
        push_beside(to, forget("zlib1g"))
        shallow = program("verify", f"{to}:v1", env=home)
        vsa = f"--vsa={tmp_path}/vsa.jsonl"
        deep = program("verify", "--deep", vsa, f"{to}:v1", env=home)
        push_beside(to, lambda told: told.pop(IN_TOTO))
        lacking = program("verify", f"{to}:v1", env=home)
        push_beside(to, lambda told: told[SPDX].pop("packages"))
        broken = program("verify", f"{to}:v1", env=home)
    assert good.returncode == 0, good.stdout + good.stderr
    count = re.search(r"bills      both of this image, (\d+) components", good.stdout)
    assert count
    line = f"layers     hold what the bills name, {count[1]} components, to the byte"
    assert line in good.stdout.splitlines()
    assert same.returncode == 0, same.stdout + same.stderr
    assert (shallow.returncode, deep.returncode) == (1, 1)
    predicate = json.loads((tmp_path / "vsa.jsonl").read_text())["predicate"]
    assert (predicate["verificationResult"], predicate["verifiedLevels"]) == ("FAILED", ["FAILED"])
    assert "bills      name the same things" in shallow.stdout.splitlines()
    assert "rebuilt    its bills here: other ones" in shallow.stdout.splitlines()
    assert "layers     hold other things than the bills name: zlib1g 1:1.2" in deep.stdout
    assert lacking.returncode == 1
    assert "beside     lacks provenance" in lacking.stdout.splitlines()
    assert broken.returncode == 1
    assert "beside     is not as it should be: KeyError('packages')" in broken.stdout.splitlines()
    assert "Traceback" not in broken.stderr


def test_a_hostile_image_is_refused(home: dict[str, str], tmp_path: Path) -> None:
    """Its bills are beside it, its layer is a circle of links, and the sizes in manifests lie."""
    doc = "usr/share/doc"
    with runtime.registry(tmp_path / "elsewhere") as port:
        to = f"localhost:{port}/team/name"
        image = hostile(tmp_path / "hostile", [(f"{doc}/a", "b"), (f"{doc}/b", "\x1b[2J")])
        told = read(Image(HERE / "small_referrers"), Image(SMALL).digest)
        payloads = {kind: json.dumps(value).encode() for kind, value in told.items()}
        write(image, payloads, tmp_path / "beside")
        tag = referrers_tag(image.digest)
        for layout, name in ((image.layout, "v1"), (tmp_path / "beside", tag)):
            copy(f"oci:{layout}", f"docker://{to}:{name}")
        circle = program("verify", "--deep", f"{to}:v1", env=home)
        # Bigger than anybody pulls, by what it says.
        manifest = image.manifest | {"layers": [image.layers[0] | {"size": 1 << 50}]}
        huge = put_manifest(port, "team/name", manifest)
        write_beside(to, huge, payloads, tmp_path / "huge")
        too_big = program("verify", "--deep", f"{to}@{huge}", env=home)
    assert circle.returncode == 1
    assert "layers     hold other things than the bills name" in circle.stdout
    assert too_big.returncode == 1
    assert "beside     is said to have 1,125,899,906" in too_big.stdout
    assert "Traceback" not in circle.stderr + too_big.stderr


def hostile(folder: Path, links: list[tuple[str, str]]) -> Image:
    """An image of one layer, of links alone."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, target in links:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
    layout, data = Layout(folder), archive.getvalue()
    diff_id = f"sha256:{hashlib.sha256(data).hexdigest()}"
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.json("application/vnd.oci.image.config.v1+json", config),
        "layers": [layout.blob("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(data))],
    }
    layout.finish(layout.json(OCI_MANIFEST, manifest))
    return Image(folder)


def put_manifest(port: int, name: str, manifest: Json) -> str:
    """Puts a manifest into a registry as no client would, and gives its digest."""
    data = json.dumps(manifest).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v2/{name}/manifests/{digest}",
        data,
        {"Content-Type": OCI_MANIFEST},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 201
    return digest


def copy(source: str, target: str) -> None:
    command = [str(runtime.tool("skopeo")), "--insecure-policy", "copy", "--all", "--quiet"]
    command += ["--preserve-digests", "--dest-tls-verify=false", source, target]
    subprocess.run(command, check=True)


def write_beside(to: str, digest: str, payloads: dict[str, bytes], folder: Path) -> None:
    """Bills beside a digest that no layout has."""
    layout = Layout(folder)
    subject = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
    entries = [artifact(layout, subject, kind, data) for kind, data in payloads.items()]
    layout.finish(layout.json(OCI_INDEX, index_of(entries)))
    copy(f"oci:{folder}", f"docker://{to}:{referrers_tag(digest)}")


def forget(name: str) -> Callable[[Json], object]:
    """Drops a package from both bills."""

    def change(told: Json) -> None:
        for kind, key in ((SPDX, "packages"), (CYCLONEDX, "components")):
            told[kind][key] = [entry for entry in told[kind][key] if entry["name"] != name]

    return change


def test_another_image_is_not_verified(home: dict[str, str], tmp_path: Path) -> None:
    """Pushed without what belongs beside it, and not what is built here."""
    with runtime.registry(tmp_path / "elsewhere") as port:
        to = f"localhost:{port}/team/name"
        command = [str(HERE / "push_index_push.sh"), "--repository", to, "--tag", "v1"]
        subprocess.run(command, env=home, check=True, stdout=subprocess.DEVNULL)
        refused = program("verify", f"{to}:v1", env=home)
        unknown = program("verify", f"{to}:v2", env=home)
    assert refused.returncode == 1
    assert "nothing is told beside it" in refused.stdout
    assert refused.stdout.splitlines()[-1].startswith("NOT verified")
    assert unknown.returncode == 1
    assert f"{to}:v2 cannot be read: " in unknown.stderr
    assert "Traceback" not in refused.stderr + unknown.stderr


def test_two_pushes_at_once(home: dict[str, str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: program("small_push", env=home), range(2)))
    assert [result.returncode for result in results] == [0, 0]
    new = sorted(result.stdout.partition(" new")[0][-1] for result in results)
    assert new == ["0", "3"]


def test_push_while_the_registry_is_served(home: dict[str, str]) -> None:
    registry = subprocess.Popen(
        [HERE / "registry", "--port=5077"], env=home, stderr=subprocess.PIPE, text=True
    )
    assert registry.stderr is not None
    assert registry.stderr.readline().startswith("serving  localhost:5077  from ")
    assert program("small_push", env=home).returncode == 0
    tags = get("http://127.0.0.1:5077/v2/paddle/small/tags/list")
    assert "1.0" in json.loads(tags)["tags"]
    second = program("registry", "--port=5077", env=home)
    assert second.returncode == 1
    assert "another command is serving" in second.stderr
    below = children(registry.pid)
    registry.send_signal(signal.SIGINT)
    assert registry.wait(LIMIT) == 128 + signal.SIGINT
    assert all(gone(pid) for pid in below)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_push_that_is_cut_off_leaves_nothing_running(home: dict[str, str], number: int) -> None:
    stalled = stall(Path(home["HOME"]))
    pushing = subprocess.Popen([HERE / "small_push"], env=home, stderr=subprocess.DEVNULL)
    below: list[int] = []
    while not any(b"copy" in command_of(pid) for pid in below):  # skopeo runs
        assert pushing.poll() is None, "the registry did not stall"
        below = children(pushing.pid)
    pushing.send_signal(number)
    pushing.wait(LIMIT)
    assert all(gone(pid) for pid in below)
    stalled.unlink()
    assert program("small_push", env=home).returncode == 0


def stall(home: Path) -> Path:
    """Holds the embedded registry at the image's configuration, while the file is there."""
    repositories = home / ".cache/paddle_images/registry/docker/registry/v2/repositories"
    digest = str(Image(SMALL).manifest["config"]["digest"]).replace(":", "/")
    link = repositories / "paddle/small/_layers" / digest / "link"
    link.parent.mkdir(parents=True)
    os.mkfifo(link)  # which nobody writes
    return link


def test_push_elsewhere(home: dict[str, str], tmp_path: Path) -> None:
    digest = Image(SMALL).digest
    with runtime.registry(tmp_path / "elsewhere") as port:
        to = f"localhost:{port}/team/name"
        pushed = program("small_push", "--repository", to, "--tag", "a", "-t", "b", env=home)
        assert pushed.returncode == 0, pushed.stderr
        assert pushed.stdout.startswith(f"pushed   {to}@{digest}   ")
        assert "verified pulled back by digest: equal" in pushed.stdout
        assert [line for line in pushed.stdout.splitlines() if line.startswith("tag ")] == [
            f"tag      {to}:{tag}   pulled back: equal" for tag in "ab"
        ]
        tags = json.loads(get(f"http://127.0.0.1:{port}/v2/team/name/tags/list"))
        assert sorted(tags["tags"]) == ["a", "b", digest.replace(":", "-")]
    refused = program("small_push", "--repository", to, env=home)
    assert refused.returncode == 1
    assert f"the push to {to} failed" in refused.stderr
    assert "connection refused\nNothing answers at " in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_push_of_nothing(home: dict[str, str], tmp_path: Path) -> None:
    for arguments in (
        ["--tag", "q1", "q2"],
        ["v1.2.3"],
        ["--repositry", "R"],
        ["--repositry=R"],
    ):
        result = program("small_push", *arguments, env=home)
        assert result.returncode == 2, arguments
        assert result.stdout == ""
        assert result.stderr.startswith("usage: push ")
        assert ": error: unknown flag" in result.stderr
        assert "localhost" not in result.stderr
    unset = program("small_push", "--repository", "", env=home)
    assert unset.returncode == 1
    assert unset.stdout == ""
    assert "--repository is empty" in unset.stderr
    tags = tmp_path.glob(".cache/paddle_images/registry/**/tags/*")
    assert not list(tags)


def test_paths_are_the_users(home: dict[str, str], tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "logs").mkdir(parents=True)
    home = home | {"BUILD_WORKING_DIRECTORY": str(there)}
    pushed = program("small_push", "--digestfile=digest", env=home)
    assert pushed.returncode == 0, pushed.stderr
    assert (there / "digest").read_text() == Image(SMALL).digest + "\n"
    options = ["--cache=cache", "--volume=logs:/logs", "--port=0", "--", "exit", "5"]
    ran = program("small_run", *options, env=home)
    assert ran.returncode == 5, ran.stderr
    assert list(there.glob("cache/rootfs/*/*/*/root/app"))
    served = subprocess.Popen(
        [HERE / "registry", "--storage=storage", "--port=5078"],
        env=home,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert served.stderr is not None
    assert f" from {there}/storage," in served.stderr.readline()
    served.terminate()
    served.wait(LIMIT)


def test_a_port_that_another_registry_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime.registry(tmp_path / "other") as taken:
        free = embedded.free_port()
        ports = iter([taken, free])
        monkeypatch.setattr(embedded, "free_port", lambda: next(ports))
        with runtime.registry(tmp_path / "own") as port:
            assert port == free
        assert not embedded.answers(taken, tmp_path / "own")


def test_push_of_an_index(home: dict[str, str], tmp_path: Path) -> None:
    with runtime.registry(tmp_path) as port:
        to = f"localhost:{port}/test/index"
        pushed = program("push_index_push.sh", "-r", to, "--tag=v2", env=home)
        assert pushed.returncode == 0, pushed.stderr
        digest = json.loads((HERE / "index" / "index.json").read_text())["manifests"][0]["digest"]
        assert pushed.stdout == f"{to}@{digest}\n"
        tags = json.loads(get(f"http://127.0.0.1:{port}/v2/test/index/tags/list"))
        assert sorted(tags["tags"]) == ["v1", "v2"]
        one = program("push_index_push.sh", "-r", to, "--platform", "linux/amd64", env=home)
        assert one.returncode == 0, one.stderr
        assert digest not in one.stdout
        other = program("push_index_push.sh", "-r", to, "--platform", "linux/arm64", env=home)
        assert "no image for linux/arm64" in other.stderr
    missing = program("push_index_push.sh", env=home)
    assert missing.returncode == 1
    assert missing.stderr == "ERROR: repository not set. Please pass --repository flag.\n"
    tagged = program("push_index_push.sh", "-r", "localhost:1/a:b", env=home)
    assert "must have no tag and no digest" in tagged.stderr


def fake_docker(folder: Path, env: dict[str, str]) -> Path:
    """A docker that keeps what it is given."""
    received = folder / "received.tar"
    engine(folder / "docker", f"load) exec cat > {received} ;;")
    env["PATH"] = f"{folder}:{env['PATH']}"
    return received


def engine(path: Path, case: str) -> None:
    path.write_text(f"#!/bin/sh\ncase $1 in\n{case}\nesac\n")
    path.chmod(0o755)


def test_load(home: dict[str, str], tmp_path: Path) -> None:
    received = fake_docker(tmp_path, home)
    assert program("small_load.sh", env=home).returncode == 0
    assert received.read_bytes() == (HERE / "small_load" / "tarball.tar").read_bytes()
    with tarfile.open(received) as archive:
        file = archive.extractfile("manifest.json")
        assert file is not None
        (entry,) = json.load(file)
        assert entry["RepoTags"] == ["paddle/small:1.0"]
        assert {entry["Config"], *entry["Layers"]} < set(archive.getnames())
    assert program("index_load.sh", env=home).returncode == 0
    with tarfile.open(received) as archive:
        file = archive.extractfile("index.json")
        assert file is not None
        (entry,) = json.load(file)["manifests"]
        assert entry["annotations"]["org.opencontainers.image.ref.name"] == "test/index:v1"


def test_load_without_docker(home: dict[str, str], tmp_path: Path) -> None:
    result = program("small_load.sh", env=home | {"PATH": str(tmp_path)})
    assert result.returncode == 1
    assert "neither docker nor podman is on your PATH" in result.stderr
    assert "_run" in result.stderr
    assert "Traceback" not in result.stderr


def test_load_passes_over_a_docker_without_a_daemon(home: dict[str, str], tmp_path: Path) -> None:
    received = tmp_path / "received.tar"
    home["PATH"] = f"{tmp_path}:{home['PATH']}"
    engine(tmp_path / "docker", "*) echo Cannot connect to the Docker daemon >&2; exit 1 ;;")
    alone = program("small_load.sh", env=home)
    assert alone.returncode == 1
    assert "docker: Cannot connect to the Docker daemon\n" in alone.stderr
    assert "_run" in alone.stderr
    engine(tmp_path / "podman", f"load) exec cat > {received} ;;")
    assert program("small_load.sh", env=home).returncode == 0
    assert received.read_bytes() == (HERE / "small_load" / "tarball.tar").read_bytes()
    engine(tmp_path / "podman", "load) cat > /dev/null; echo disk full >&2; exit 1 ;;")
    full = program("small_load.sh", env=home)
    assert full.returncode == 1
    assert "disk full\n" in full.stderr
    assert "podman could not load the image" in full.stderr
    assert "_run" in full.stderr
    assert "paddle_images: loader could not load" in full.stderr
