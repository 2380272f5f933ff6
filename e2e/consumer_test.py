"""e2e/consumer, a workspace that depends on paddle_images, built by a Bazel of its own.

It gets paddle_images as an archive. What paddle_images' locks name is unpacked already and handed
over, so nothing is fetched but the workspace's own Debian package, from a mirror in a folder.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.image.run import runtime

BAZEL = Path(os.environ["BAZEL"]).resolve()
ARCHIVE = Path(os.environ["ARCHIVE"]).resolve()
RUNFILES = Path(os.environ["TEST_SRCDIR"])

pytestmark = pytest.mark.skipif(
    not BAZEL.stat().st_size,
    reason="needs a Bazel that brings its modules along, as that of `./bazelw test` does",
)

OVERRIDE = """\
archive_override(
    module_name = "paddle_images",
    integrity = "sha256-{integrity}",
    strip_prefix = "paddle_images",
    urls = ["{url}"],
)
"""


def locked_repositories() -> Iterator[str]:
    """The flags that hand the repositories over which this test has unpacked."""
    for folder in sorted(RUNFILES.iterdir()):
        match = re.fullmatch(r"_main[~+](debian|pypi)[~+](.+)", folder.name)
        if not match or match[2] == "consumer_debian_deb_tree":
            continue
        file = next(path for path in folder.rglob("*") if path.is_symlink())
        # Runfiles are links: into the repository, through folders that are links as a whole.
        inside = file.relative_to(folder)
        place = Path(str(file.resolve()).removesuffix(f"/{inside}"))
        name = re.sub("^consumer_", "acme_", match[2])
        yield f"--override_repository=paddle_images~~{match[1]}~{name}={place}"


PULL = """
models = use_extension("@paddle_images//bazel/model:extensions.bzl", "models")
models.pull(
    name = "acme_iris",
    digest = "{digest}",
    image = "localhost:{port}/paddle/models_iris",
)
use_repo(models, "acme_iris")
"""

IMPORT = """
load("@paddle_images//bazel/model:defs.bzl", "paddle_model_import")

paddle_model_import(
    name = "taken",
    inputs = {"x": [2, 4]},
    licence = "Apache-2.0",
    package = "@acme_iris//:files",
    program = "models/1/model.pdmodel",
)
"""


class Workspace:
    """e2e/consumer, with paddle_images as an archive."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder / "acme 工作区", folder
        with tarfile.open(ARCHIVE) as tar:
            tar.extractall(folder)
        shutil.copytree(folder / "paddle_images/e2e/consumer", self.folder)
        write = folder / "paddle_images/bazel/workspace/write.py"
        subprocess.run([sys.executable, write, self.folder], check=True)
        module = self.folder / "MODULE.bazel"
        text, count = re.subn(
            r"(?s)local_path_override\(.*?\n\)\n", self.override(), module.read_text()
        )
        assert count == 1
        module.write_text(text)
        (package,) = (
            entry
            for entry in json.loads((self.folder / "debian_lock.json").read_text())["packages"]
            if entry["name"] == "tree"
        )
        mirrored = folder / "mirror/pool" / package["pool"]
        mirrored.parent.mkdir(parents=True)
        mirrored.symlink_to(Path(os.environ["TREE"]).resolve())

    def override(self) -> str:
        integrity = base64.b64encode(hashlib.sha256(ARCHIVE.read_bytes()).digest()).decode()
        return OVERRIDE.format(integrity=integrity, url=ARCHIVE.as_uri())

    def bazel(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        startup = [
            f"--output_user_root={self.home}/root",
            "--max_idle_secs=60",
            "--host_jvm_args=-Xmx700m",
        ]
        options = [
            *("--noshow_progress", "--color=no", "--lockfile_mode=off", "--repository_cache="),
            f"--repo_env=DEBIAN_MIRROR=file://{self.home}/mirror",
            # What is compiled is not what is tested: it need not be fast.
            *("--compilation_mode=fastbuild", "--host_compilation_mode=fastbuild"),
            "--@paddle_images//bazel/image:revision=false",
            *("--jobs=2", "--spawn_strategy=local", "--worker_max_instances=1"),
            *locked_repositories(),
        ]
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "USER": "acme"}
        done = subprocess.run(
            [BAZEL, *startup, command, *(options if command != "shutdown" else ()), *arguments],
            cwd=self.folder,
            env=env | {"XDG_CACHE_HOME": f"{self.home}/cache"},
            capture_output=True,
            text=True,
        )
        print(done.stdout, done.stderr[-20000:], sep="\n")
        return done


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path_factory.mktemp("e2e"))
    yield workspace
    workspace.bazel("shutdown")


def test_its_model_images_and_tests(workspace: Workspace) -> None:
    done = workspace.bazel("test", "//...")
    assert done.returncode == 0
    assert {line.split()[0] for line in done.stdout.splitlines() if "PASSED" in line} == {
        *("//:parity", "//:engine_test", "//:serving_test", "//:tools_test"),
        *("//:models_iris_sbom_test", "//:serving_sbom_test", "//:tools_sbom_test"),
    }


def test_pushes_and_their_bills(workspace: Workspace) -> None:
    for image in ("serving", "tools"):
        pushed = workspace.bazel("run", f"//:{image}_push")
        assert pushed.returncode == 0
        assert re.search(rf"paddle/{image}\S*@sha256:[0-9a-f]{{64}}", pushed.stdout + pushed.stderr)
    verified = workspace.bazel("run", "//:verify")
    told = verified.stdout + verified.stderr
    assert verified.returncode == 0
    assert "//:tools here: equal" in told
    for lock in ("debian_lock.json", "paddle_images/debian_lock.json", "wheels_lock.json"):
        assert f" {lock} equal" in told
    bill = json.loads((workspace.folder / "bazel-bin/tools_sbom/contents.json").read_text())
    sha256 = {component["name"]: component["sha256"] for component in bill}
    for lock, entries in (("debian_lock.json", "packages"), ("wheels_lock.json", "wheels")):
        for entry in json.loads((workspace.folder / lock).read_text())[entries]:
            assert sha256[entry["name"]] == entry["sha256"], entry["name"]


def test_its_locks_are_checked(workspace: Workspace) -> None:
    assert workspace.bazel("run", "//:lock", "--", "--check").returncode == 0
    spec = workspace.folder / "debian.yaml"
    before = spec.read_text()
    spec.write_text(before.replace("[tree]", "[tree, less]"))
    done = workspace.bazel("run", "//:lock", "--", "--check")
    spec.write_text(before)
    assert done.returncode == 1
    assert "debian.yaml has changed since debian_lock.json was made" in done.stderr


def test_a_lock_of_another_paddle_is_refused(workspace: Workspace) -> None:
    module = workspace.folder / "MODULE.bazel"
    before = module.read_text()
    module.write_text(before + 'paddle.lock(wheels = "//:wheels_lock.json")\n')
    done = workspace.bazel("build", "--nobuild", "//:serving")
    module.write_text(before)
    assert done.returncode != 0
    assert "tested with the wheels of its own locks: take the tag out" in done.stderr


def test_a_model_comes_from_a_registry(workspace: Workspace) -> None:
    """From the image that the workspace has pushed, which another one may have."""
    assert workspace.bazel("run", "//:models_iris_push").returncode == 0
    digest = (workspace.folder / "bazel-bin/models_iris.json.sha256").read_text().strip()
    module, build = workspace.folder / "MODULE.bazel", workspace.folder / "BUILD.bazel"
    before = module.read_text()
    build.write_text(build.read_text() + IMPORT)
    with runtime.registry(workspace.home / "cache/paddle_images/registry") as port:
        other = f"sha256:{'0' * 64}"
        module.write_text(before + PULL.format(digest=other, port=port))
        done = workspace.bazel("build", "//:taken")
        assert done.returncode != 0
        assert f"localhost:{port}/paddle/models_iris cannot be fetched" in done.stderr
        assert other in done.stderr
        module.write_text(before + PULL.format(digest=digest, port=port))
        assert workspace.bazel("build", "//:taken").returncode == 0
    iris, taken = (workspace.folder / "bazel-bin" / name for name in ("iris", "taken"))
    parameters = "model.pdiparams"
    assert (taken / parameters).read_bytes() == (iris / parameters).read_bytes()
    metadata = json.loads((taken / "metadata.json").read_text())
    assert metadata["source"] == f"image {digest}, models/1/model.pdmodel"
