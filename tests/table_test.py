"""The table and the specs speak of the same things."""

import json
from pathlib import Path

import yaml

from bazel.platforms.table import DEBIAN, GCC_VERSION, MACHINES, PYTHON_FULL_VERSION, PYTHON_VERSION

SPEC = yaml.safe_load(Path("debian.yaml").read_text())


def test_debian_yaml_has_its_release_and_machines() -> None:
    channels = [source["channel"] for source in SPEC["sources"]]
    assert channels == [f"{DEBIAN['codename']} main"]
    assert SPEC["security"]["channel"] == f"{DEBIAN['codename']}-security main"
    assert SPEC["archs"] == sorted(MACHINES)


def test_debian_yaml_has_its_compiler_and_interpreter() -> None:
    for arch, machine in MACHINES.items():
        if arch != "amd64":
            gcc = [f"{name}-{GCC_VERSION}-{machine['triple']}" for name in ("gcc", "g++")]
            assert set(gcc) <= set(SPEC["sets"][f"cc_{arch}"]["packages"])
    assert {f"gcc-{GCC_VERSION}", f"g++-{GCC_VERSION}"} <= set(SPEC["sets"]["cc"]["packages"])
    assert f"libpython{PYTHON_VERSION}" in SPEC["sets"]["python"]["packages"]


def test_the_lock_has_its_interpreter() -> None:
    packages = json.loads(Path("debian_lock.json").read_text())["packages"]
    named = [p for p in packages if p["name"] == f"libpython{PYTHON_VERSION}"]
    assert [p["arch"] for p in named] == sorted(MACHINES)
    assert all(p["version"].startswith(f"{PYTHON_FULL_VERSION}-") for p in named)


def test_ruff_and_mypy_check_for_its_python() -> None:
    text = Path("pyproject.toml").read_text()
    assert f'python_version = "{PYTHON_VERSION}"' in text
    assert f'target-version = "py{PYTHON_VERSION.replace(".", "")}"' in text
