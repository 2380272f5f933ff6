"""What images say of themselves: the commit, where there is one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from bazel.image.attest import annotations as tool
from bazel.image.oci.layout import Image
from bazel.image.tests.users import SMALL

TITLE = "org.opencontainers.image.title"


def write(tmp_path: Path, status: str) -> dict[str, str]:
    (tmp_path / "known").write_text(json.dumps({TITLE: "it = \n"}))
    (tmp_path / "status").write_text(status)
    flags = [f"--{name}={tmp_path / name}" for name in ("known", "status", "out")]
    assert tool.main(flags) == 0
    said: dict[str, str] = json.loads((tmp_path / "out").read_text())
    assert list(said) == sorted(said)
    return said


def test_the_commit_is_named(tmp_path: Path) -> None:
    status = "BUILD_HOST here\nBUILD_USER me\nSTABLE_REVISION 0123abc-dirty\n"
    assert write(tmp_path, status) == {tool.REVISION: "0123abc-dirty", TITLE: "it = \n"}


def test_outside_of_git_there_is_none(tmp_path: Path) -> None:
    assert write(tmp_path, "BUILD_HOST here\nBUILD_USER me\n") == {TITLE: "it = \n"}


def test_labels_are_annotations() -> None:
    image = Image(SMALL)
    assert image.config["config"]["Labels"] == image.manifest["annotations"]


def status(folder: Path, told: str = "") -> str:
    """What bazel/status.sh says in a folder."""
    script = Path("bazel/status.sh").absolute()
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    env |= {"PADDLE_IMAGES_REVISION": told} if told else {}
    done = subprocess.run(
        ["sh", script], cwd=folder, env=env, check=True, capture_output=True, text=True
    )
    return done.stdout.strip().removeprefix("STABLE_REVISION ")


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    command = ["git", *identity, "-c", "init.defaultBranch=main", *words]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_git_knows_the_commit_better_than_who_tells_it(tmp_path: Path) -> None:
    assert status(tmp_path) == ""
    assert status(tmp_path, "0123abc") == "0123abc"
    git(tmp_path, "init")
    assert status(tmp_path, "0123abc") == "0123abc"  # there is no commit yet
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--message=one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert status(tmp_path, "0123abc") == commit
    (tmp_path / "file").write_text("two")
    assert status(tmp_path, "0123abc") == f"{commit}-dirty"
    below = tmp_path / "below"
    below.mkdir()
    assert status(below) == ""  # another's repository lies around it
