"""Programs whose sources are in several repositories, in a layer of an image."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path("bazel/image/tests")


def test_sources_of_other_repositories_come_along(tmp_path: Path) -> None:
    with tarfile.open(HERE / "foreign_layer.tar.gz") as layer:
        layer.extractall(tmp_path)
    assert (tmp_path / "app/tools/python/runfiles/__pycache__/runfiles.cpython-311.pyc").exists()
    path = os.pathsep.join([str(tmp_path / "app"), str(tmp_path / "app/bazel/image/tests")])
    (module,) = (tmp_path / "app/bin").iterdir()
    command = [sys.executable, "-S", str(module)]
    done = subprocess.run(
        command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.stdout == "tools.python.runfiles.runfiles\n", done.stderr


def test_what_an_image_does_without_stays_out() -> None:
    with tarfile.open(HERE / "without_layer.tar.gz") as layer:
        files = [member.name for member in layer if member.isreg()]
    assert "app/bazel/image/tests/foreign.py" in files
    assert not [name for name in files if "runfiles" in name]
