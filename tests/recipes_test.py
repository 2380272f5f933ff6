"""The recipes for CI hold to their services' schemas, and run what README.md says."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

GITHUB = sorted(Path(".github/workflows").glob("*.yml"))
GITLAB = Path(".gitlab-ci.yml")
SCHEMAS = {path: "vendor.github-workflows" for path in GITHUB} | {GITLAB: "vendor.gitlab-ci"}


def check(schema: str, recipe: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", f"--builtin-schema={schema}", str(recipe)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def commands(recipe: Path) -> list[str]:
    """The `./bazelw` commands, in their order."""
    return re.findall(r"\./bazelw [^|\n]*[^|\s]", recipe.read_text(encoding="utf-8"))


def test_there_are_all() -> None:
    assert [path.name for path in GITHUB] == ["ci.yml", "lock.yml"]


@pytest.mark.parametrize("recipe", SCHEMAS, ids=str)
def test_its_service_knows_every_key(recipe: Path, tmp_path: Path) -> None:
    done = check(SCHEMAS[recipe], recipe)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(re.sub(r"^( *)timeout", r"\1tymeout", recipe.read_text(), flags=re.MULTILINE))
    assert wrong.read_text() != recipe.read_text()
    assert "tymeout" in check(SCHEMAS[recipe], wrong).stdout


def test_they_run_the_commands_of_the_readme() -> None:
    first = re.search(r"```sh\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    assert first
    told = re.findall(r"\./bazelw [^#\n]*[^#\s]", first[1])
    assert len(told) == 2
    patched = "./bazelw {} --config=patched //images"
    expected = [
        told[0].replace("./bazelw run //images", patched.format("run")),
        patched.format("test") + "/...",  # docs/locks.md
        told[1],
    ]
    assert commands(Path(".github/workflows/ci.yml")) == expected
    assert commands(GITLAB)[:3] == expected


def test_they_renew_the_locks_alike() -> None:
    renewed = commands(Path(".github/workflows/lock.yml"))
    assert renewed == ["./bazelw run //:lock launcher", "./bazelw run //:lock -- --security"]
    assert commands(GITLAB)[3:] == renewed


def test_ci_stays_in_the_locks() -> None:
    github: Any = yaml.safe_load(Path(".github/workflows/ci.yml").read_text())
    assert str(github["jobs"]["test"]["env"]["PADDLE_IMAGES_LOCKED"]) == "1"
    gitlab: Any = yaml.safe_load(GITLAB.read_text())
    assert gitlab["test"]["variables"]["PADDLE_IMAGES_LOCKED"] == "1"


@pytest.mark.parametrize("recipe", GITHUB, ids=str)
def test_actions_are_pinned(recipe: Path) -> None:
    used = re.findall(r"uses: (.*)", recipe.read_text())
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in used)
