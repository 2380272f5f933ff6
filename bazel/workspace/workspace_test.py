"""The ./bazelw of a workspace that depends on paddle_images: written, run, and refused."""

import base64
import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

WRITE = Path("bazel/workspace/write.py")
LAUNCHER = "import sys\nprint('launched', *sys.argv[1:])\n"


def write(folder: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, WRITE, folder]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "my 工作区"
    folder.mkdir()
    (folder / "MODULE.bazel").write_text('module(name = "acme")\n')
    return folder


def archive(folder: Path) -> tuple[str, str]:
    """An archive of a paddle_images that only launches: its URL and integrity."""
    tree = folder / "paddle_images-0.1.0/bazel/launcher"
    tree.mkdir(parents=True)
    (tree / "launcher.py").write_text(LAUNCHER)
    file = folder / "paddle_images-0.1.0.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        tar.add(folder / "paddle_images-0.1.0", "paddle_images-0.1.0")
    digest = hashlib.sha256(file.read_bytes()).digest()
    return file.as_uri(), "sha256-" + base64.b64encode(digest).decode()


def override(workspace: Path, **given: object) -> None:
    arguments = "".join(f"    {name} = {value!r},\n" for name, value in given.items())
    (workspace / "MODULE.bazel").write_text(
        'module(name = "acme")\n'
        'bazel_dep(name = "paddle_images", version = "0.1.0")  # 中文\n'
        'local_path_override(module_name = "other", path = "x")\n'
        f'archive_override(\n    module_name = "paddle_images",\n{arguments})\n'
    )


def bazelw(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PADDLE_IMAGES_CACHE": f"{workspace.parent}/cache"}
    command = [f"{workspace}/bazelw", *arguments]
    return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True)


def test_what_is_written(workspace: Path) -> None:
    (workspace / ".bazelrc").write_text("build --jobs=2\n")
    (workspace / ".bazelversion").write_text("8.0.0\n")
    done = write(workspace)
    assert done.returncode == 0, done.stderr
    files = {str(p.relative_to(workspace)) for p in workspace.rglob("*") if p.is_file()}
    assert files == {
        *(".bazeliskrc", ".bazelrc", ".bazelversion", "MODULE.bazel", "bazelw", "tools/bazel"),
        *("tools/paddle_images/bazelrc", "tools/paddle_images/start.py"),
        "tools/paddle_images/status.sh",
    }
    assert (workspace / ".bazelrc").read_text() == (
        "import %workspace%/tools/paddle_images/bazelrc\nbuild --jobs=2\n"
    )
    assert (workspace / ".bazelversion").read_text() == "8.0.0\n"
    assert "launcher.py" not in (workspace / "bazelw").read_text()
    for path in ("bazelw", "tools/bazel", "tools/paddle_images/status.sh"):
        assert os.access(workspace / path, os.X_OK), path


def test_twice_is_once(workspace: Path) -> None:
    write(workspace)
    before = {p: p.stat().st_mtime_ns for p in workspace.rglob("*")}
    assert write(workspace).stdout == "All is as it should be.\n"
    assert {p: p.stat().st_mtime_ns for p in workspace.rglob("*")} == before


def test_files_of_others_are_left(workspace: Path) -> None:
    (workspace / "bazelw").write_text("#!/bin/sh\nexec bazel\n")
    done = write(workspace)
    assert done.returncode == 1
    assert f"mv {workspace}/bazelw" in done.stderr
    assert not (workspace / "tools").exists()


def test_a_folder_that_is_no_workspace(tmp_path: Path) -> None:
    done = write(tmp_path)
    assert done.returncode == 1
    assert "has no MODULE.bazel" in done.stderr


def test_a_start_of_an_archive(workspace: Path, tmp_path: Path) -> None:
    write(workspace)
    url, integrity = archive(tmp_path)
    override(
        workspace,
        urls=["file:///nowhere/paddle_images.tar.gz", url],
        integrity=integrity,
        strip_prefix="paddle_images-0.1.0",
    )
    done = bazelw(workspace, "build", "//a b")
    assert (done.returncode, done.stdout) == (0, "launched build //a b\n"), done.stderr
    (tmp_path / "paddle_images-0.1.0.tar.gz").unlink()
    assert bazelw(workspace, "info").stdout == "launched info\n"  # nothing is fetched again
    assert len(list((tmp_path / "cache/modules").iterdir())) == 1


def test_a_start_of_a_folder(workspace: Path, tmp_path: Path) -> None:
    write(workspace)
    archive(tmp_path)
    (workspace / "MODULE.bazel").write_text(
        'local_path_override(module_name = "paddle_images", path = "../paddle_images-0.1.0")\n'
    )
    assert bazelw(workspace, "info").stdout == "launched info\n"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"integrity": "sha256-AAAA"}, "and `integrity` is sha256-AAAA"),
        ({"urls": ["file:///nowhere/x.tar.gz"]}, "No such file"),
        ({"strip_prefix": "other"}, "Correct `strip_prefix`"),
        ({"integrity": None}, "does not say which bytes"),
    ],
)
def test_a_start_that_is_refused(
    workspace: Path, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    write(workspace)
    url, integrity = archive(tmp_path)
    given = {"urls": [url], "integrity": integrity, "strip_prefix": "paddle_images-0.1.0"} | change
    override(workspace, **{name: value for name, value in given.items() if value})
    done = bazelw(workspace, "info")
    assert done.returncode == 36
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not [p for p in tmp_path.glob("cache/modules/*") if p.name]  # nothing half


def test_no_override(workspace: Path) -> None:
    write(workspace)
    done = bazelw(workspace, "info")
    assert done.returncode == 36
    assert "Add the archive_override" in done.stderr
    (workspace / "MODULE.bazel").write_text("module(name = \n")
    done = bazelw(workspace, "info")
    assert done.returncode == 36
    assert "MODULE.bazel, line" in done.stderr
