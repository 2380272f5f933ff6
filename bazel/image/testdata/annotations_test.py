"""What images say of themselves: the commit, where there is one."""

from __future__ import annotations

import json
from pathlib import Path

from bazel.image.private import annotations as tool
from bazel.image.private.layout import Image
from bazel.image.testdata.users import SMALL

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
