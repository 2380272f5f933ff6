"""`bazel`, where that is bazelisk: the real bazelisk in a checkout, without a network."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.launcher.fake_site import Checkout, Mirror

BAZELISK = Path(os.environ["BAZELISK"]).resolve()
RELEASE = "/releases/7.7.1/bazel-7.7.1-linux-x86_64"

# A Bazel that knows nothing of this project.
_OTHER = """#!/bin/sh
echo "another Bazel"
for argument; do
  echo "argument [$argument]"
done
exit 3
"""


class Bazelisk:
    """A user's bazelisk, and a checkout whose mirror has the same one for the launcher."""

    def __init__(self, folder: Path, mirror: Mirror) -> None:
        self.checkout = checkout = Checkout(folder, mirror)
        for path in (".bazeliskrc", ".bazelversion", "tools/bazel"):
            target = checkout.folder / path
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
        (checkout.folder / "MODULE.bazel").touch()
        (checkout.folder / "sub").mkdir()
        tgz = io.BytesIO()
        with tarfile.open(fileobj=tgz, mode="w:gz", compresslevel=1) as tar:
            tar.add(BAZELISK, "package/bazelisk-linux_amd64")
        mirror.files["/npm/@bazel/bazelisk/-/bazelisk-1.28.1.tgz"] = tgz.getvalue()
        digest = base64.b64encode(hashlib.sha512(tgz.getvalue()).digest()).decode()
        checkout.npm["integrity"] = f"sha512-{digest}"
        checkout.write_lock()

    def run(self, program: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            env={**self.checkout.env, **env},
            capture_output=True,
            text=True,
            cwd=self.checkout.folder / "sub",
            timeout=300,
        )

    def __call__(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self.run(BAZELISK, *arguments, **env)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    served = Mirror()
    yield served
    served.close()


@pytest.fixture
def bazelisk(tmp_path: Path, mirror: Mirror) -> Bazelisk:
    return Bazelisk(tmp_path, mirror)


def test_it_starts_what_bazelw_starts(bazelisk: Bazelisk, mirror: Mirror) -> None:
    done = bazelisk("run", "a b", "", "*", "7")
    assert done.returncode == 7, done.stderr
    assert "Bazel 7.7.1 ready" in done.stderr
    assert "argument [run]\nargument [a b]\nargument []\nargument [*]\nargument [7]" in done.stdout
    mirror.close()
    again = bazelisk("run", "a b", "", "*", "7")
    assert (again.returncode, again.stdout, again.stderr) == (7, done.stdout, "")
    direct = bazelisk.run(bazelisk.checkout.folder / "bazelw", "run", "a b", "", "*", "7")
    assert (direct.returncode, direct.stdout, direct.stderr) == (7, done.stdout, "")


def test_what_runs_under_it_starts_the_same(bazelisk: Bazelisk) -> None:
    # A program under `bazel run` finds this environment, and tools/ first on its PATH.
    first = bazelisk("0")
    (bazel,) = bazelisk.checkout.cache.glob("bazel-*/site-*/bazel")
    env = {"USE_BAZEL_VERSION": str(bazel), "BAZELISK_SKIP_WRAPPER": "true"}
    inner = bazelisk.run(bazelisk.checkout.folder / "tools/bazel", "0", **env)
    assert (inner.returncode, inner.stdout, inner.stderr) == (0, first.stdout, "")
    assert bazelisk("4", **env).returncode == 4


@pytest.mark.parametrize("by_bazelw", [False, True])
def test_a_bazel_of_the_users_choice_gets_the_site_and_no_modules(
    bazelisk: Bazelisk, mirror: Mirror, tmp_path: Path, by_bazelw: bool
) -> None:
    other = tmp_path / "other"
    other.write_text(_OTHER)
    other.chmod(0o755)
    program = bazelisk.checkout.folder / "bazelw" if by_bazelw else BAZELISK
    done = bazelisk.run(program, "build", "a b", USE_BAZEL_VERSION=str(other))
    (folder,) = bazelisk.checkout.cache.glob("bazelisk-*/site-*")
    rest = f"argument [--bazelrc={folder}/bazelrc]\nargument [build]\nargument [a b]\n"
    assert (done.returncode, done.stdout) == (3, "another Bazel\n" + rest), done.stderr
    rc = (folder / "bazelrc").read_text()
    assert f"--repo_env=DEBIAN_MIRROR={mirror.url}/debian" in rc
    assert f"-Djavax.net.ssl.trustStore={folder}/trust.jks" in rc
    assert (folder / "trust.jks").is_file()
    for word in ("--registry", "--override_module", "--lockfile_mode", "--install_base"):
        assert word not in rc


@pytest.mark.parametrize("by_bazelw", [False, True])
def test_a_release_that_is_asked_for_is_downloaded_once(
    bazelisk: Bazelisk, mirror: Mirror, by_bazelw: bool
) -> None:
    mirror.files[RELEASE] = _OTHER.encode()
    program = bazelisk.checkout.folder / "bazelw" if by_bazelw else BAZELISK
    env = {"USE_BAZEL_VERSION": "7.7.1", "BAZELISK_BASE_URL": f"{mirror.url}/releases"}
    for _ in range(2):
        done = bazelisk.run(program, "build", **env)
        assert done.returncode == 3, done.stderr
        assert done.stdout.startswith("another Bazel\nargument [--bazelrc=")
    assert mirror.requests.count(RELEASE) == 1


def test_bazels_own_script_finds_a_release_and_it_is_used(
    bazelisk: Bazelisk, tmp_path: Path
) -> None:
    # bazel.sh of Bazel's apt packages names in BAZEL_REAL what lies beside it, or would.
    beside = tmp_path / "bazel-7.7.1"
    env = {"BAZEL_REAL": str(beside), "USE_BAZEL_VERSION": "7.7.1"}
    wrapper = bazelisk.checkout.folder / "tools/bazel"
    beside.write_text(_OTHER)
    beside.chmod(0o755)
    assert bazelisk.run(wrapper, "build", **env).stdout.startswith("another Bazel\n")
    # Nobody asked for it: the locked one.
    del env["USE_BAZEL_VERSION"]
    assert "argument [5]" in bazelisk.run(wrapper, "5", **env).stdout
