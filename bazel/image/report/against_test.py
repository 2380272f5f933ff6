"""What the report is compared with: revisions are told from references, and checked out apart."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bazel.image.base.processes import UserError
from bazel.image.report import against

_DIGEST = "sha256:" + 64 * "a"


def _git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t.test"]
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two commits, whose file says which is which."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("PADDLE_IMAGES_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "workspace"
    folder.mkdir()
    _git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("user.bazelrc\n")
    for text in ("first", "second"):
        (folder / "file").write_text(text)
        _git(folder, "add", ".")
        _git(folder, "commit", "--quiet", "--message", text)
    return folder


@pytest.mark.parametrize(
    "text", [f"localhost:5000/paddle/train@{_DIGEST}", "host.test/train:2.6.2"]
)
def test_references(text: str) -> None:
    assert against.is_reference(text)


@pytest.mark.parametrize(
    "text", ["HEAD~5", "main", "origin/main", "v1.0", "@{upstream}", "a1b2c3d"]
)
def test_revisions(text: str) -> None:
    assert not against.is_reference(text)


def test_one_worktree_goes_from_revision_to_revision(workspace: Path) -> None:
    settings = workspace / "user.bazelrc"
    settings.write_text("build --jobs=1\n")
    first = against.check_out(workspace, against.commit_of(workspace, "HEAD~1"))
    assert (first / "file").read_text() == "first"
    assert (first / "user.bazelrc").read_text() == "build --jobs=1\n"
    settings.unlink()
    (first / "file").write_text("left behind")
    second = against.check_out(workspace, against.commit_of(workspace, "HEAD"))
    assert second == first
    assert (second / "file").read_text() == "second"
    assert not (second / "user.bazelrc").exists()
    assert (workspace / "file").read_text() == "second"
    assert _git(workspace, "status", "--porcelain") == ""


def test_a_worktree_that_was_deleted_is_made_anew(workspace: Path) -> None:
    commit = against.commit_of(workspace, "HEAD")
    folder = against.check_out(workspace, commit)
    folder.rename(folder.with_name("moved"))
    assert (against.check_out(workspace, commit) / "file").read_text() == "second"


def test_a_worktree_of_a_clone_that_was_deleted_is_made_anew(workspace: Path) -> None:
    folder = against.check_out(workspace, against.commit_of(workspace, "HEAD~1"))
    old = workspace.rename(workspace.with_name("old"))
    _git(old.parent, "clone", "--quiet", str(old), str(workspace))
    for _ in range(2):
        assert against.check_out(workspace, against.commit_of(workspace, "HEAD")) == folder
        assert (folder / "file").read_text() == "second"
    (folder / ".git").unlink()  # as where it was cut off
    assert against.check_out(workspace, against.commit_of(workspace, "HEAD")) == folder
    assert _git(folder, "status", "--porcelain") == ""


def test_what_is_neither_is_told(workspace: Path) -> None:
    with pytest.raises(UserError, match=r"nope is neither a revision .* nor a reference"):
        against.commit_of(workspace, "nope")
