"""A model as an image: pushed, signed, verified, and served from the files that a client pulls."""

from __future__ import annotations

import filecmp
import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.image.oci.artifacts import CYCLONEDX, read
from bazel.image.oci.layout import Image, unpack
from bazel.image.run import runtime
from bazel.image.tests.users import HERE, environment, program
from cc.server import serving

MODEL = Image(HERE / "models_mine")
FILES, SAMPLES = Path(os.environ["MODEL"]).absolute(), Path(os.environ["SAMPLES"]).absolute()
CHECK = str(Path(os.environ["CHECK"]).absolute())


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    own = {"BUILD_WORKING_DIRECTORY": str(tmp_path), "COSIGN_PASSWORD": "a word"}
    return environment(tmp_path) | own


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with runtime.registry(tmp_path / "registry") as number:
        yield number


def checked(*flags: str, model: str = "mine") -> str:
    """What a server with these flags answers to the golden inputs, compared with the outputs."""
    with serving.serving(*flags) as server:
        words = [CHECK, f"--model={model}", f"--url={server.url}", f"--samples={SAMPLES}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_one_layer_of_the_model_and_nothing_that_runs() -> None:
    assert [entry["created_by"] for entry in MODEL.config["history"]] == ["model"]
    assert "Entrypoint" not in MODEL.config["config"]
    assert MODEL.manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    names = {member.name.rstrip("/"): member for member, _ in MODEL.open_layer(0)}
    files = {f"models/3/{path.name}" for path in FILES.iterdir()}
    assert names.keys() == {"models", "models/3", *files}
    assert {member.mode for member in names.values() if member.isreg()} == {0o644}


def test_its_digest_is_that_of_the_model_alone() -> None:
    assert Image(HERE / "models_renamed").digest == MODEL.digest


def test_it_is_pushed_signed_and_verified(home: dict[str, str], tmp_path: Path, port: int) -> None:
    to = f"localhost:{port}/team/mine"
    assert program("../attest/keygen", "mine", env=home).returncode == 0
    words = ["--repository", to, "--insecure", "--sign-key=mine.key"]
    pushed = program("models_mine_push", *words, env=home)
    assert pushed.returncode == 0, pushed.stderr
    reference = f"{to}@{MODEL.digest}"
    assert f"mount it models/ of {reference} at /models/mine, as an image volume" in pushed.stdout
    assert f"tag      {to}:3   pulled back: equal" in pushed.stdout
    verified = program(
        "verify_models", "--insecure", "--deep", "--key=mine.pub", reference, env=home
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    for line in (
        "signature  of the image: by mine.pub",
        "bills      both of this image, 1 components",
        "rebuilt    //bazel/image/tests:models_mine here: equal",
        "layers     hold what the bills name, 1 components, to the byte",
    ):
        assert line in verified.stdout.splitlines()


def test_it_says_of_itself_what_the_model_says() -> None:
    metadata = json.loads((FILES / "metadata.json").read_text())
    said = MODEL.manifest["annotations"]
    assert said == MODEL.config["config"]["Labels"]
    assert said["org.opencontainers.image.title"] == "Paddle model mine"
    assert said["org.opencontainers.image.version"] == "3"
    assert said["paddle_images.version.paddle"] == metadata["paddle_version"]


def test_its_bills_name_the_model() -> None:
    told = read(Image(HERE / "models_mine_referrers"), MODEL.digest)
    (model,) = told[CYCLONEDX]["components"]
    metadata = json.loads((FILES / "metadata.json").read_text())
    assert model["type"] == "machine-learning-model"
    assert (model["name"], model["version"]) == ("mine", "3")
    digest = metadata["digests"]["model.pdiparams"].removeprefix("sha256:")
    assert model["hashes"] == [{"alg": "SHA-256", "content": digest}]


def test_it_is_served_from_where_it_is_mounted(
    home: dict[str, str], tmp_path: Path, port: int
) -> None:
    """As KServe mounts it, /models of the image alone; as a volume of several; and as a whole."""
    to = f"localhost:{port}/team/mine"
    assert program("models_mine_push", f"--repository={to}", "--insecure", env=home).returncode == 0
    pulled = tmp_path / "pulled"
    words = [str(runtime.tool("skopeo")), "--insecure-policy", "copy", "--src-tls-verify=false"]
    words += [f"docker://{to}:3", f"oci:{pulled}"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    assert Image(pulled).digest == MODEL.digest
    unpack(Image(pulled), tmp_path / "volume")
    mounted = tmp_path / "volume/models"
    assert filecmp.cmpfiles(mounted / "3", FILES, [path.name for path in FILES.iterdir()])[1:] == (
        [],
        [],
    )
    assert "logits" in checked(f"--model_repository={mounted}", "--model_name=iris", model="iris")
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/mine").symlink_to(mounted)
    assert "logits" in checked(f"--model_repository={tmp_path}/repository")


def test_oras_unpacks_the_folder_that_a_layer_tells() -> None:
    """What `oras pull` reads: the layer's title is the folder in it; gzip, with its diff id."""
    (layer,) = MODEL.layers
    said = layer["annotations"]
    assert layer["mediaType"].endswith("+gzip")
    assert said["io.deis.oras.content.unpack"] == "true"
    assert [said["io.deis.oras.content.digest"]] == MODEL.config["rootfs"]["diff_ids"]
    plain = gzip.decompress(MODEL.blob(layer["digest"]).read_bytes())
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        folders = {name.split("/")[0] for name in tar.getnames()}
    assert folders == {said["org.opencontainers.image.title"]}


def test_kserves_modelcar_finds_what_it_runs(tmp_path: Path) -> None:
    """Its two commands, as KServe's pkg/utils/storage.go has them: of the init container, and of
    the sidecar, which here ends instead of sleeping."""
    root = tmp_path / "root"
    unpack(Image(HERE / "modelcar"), root)
    link = tmp_path / "link"
    for folder in (link, root / "link"):
        folder.mkdir()
    for script in (
        '[ -d /models ] && [ "$(ls -A /models)" ] && echo OK',
        "ln -sf /proc/$$/root/models /link/models && sleep 0 && ls /link/models/",
    ):
        words = [str(runtime.tool("bwrap")), "--unshare-pid", "--ro-bind", str(root), "/"]
        words += ["--bind", str(link), "/link", "--proc", "/proc", "--clearenv"]
        words += ["--setenv", "PATH", "/usr/bin:/bin", "--", "sh", "-c", script]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() in (["OK"], ["3"])
