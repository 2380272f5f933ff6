"""The recipes for CI hold to their services' schemas, and run what README.md says."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from ruamel.yaml import YAML

GITHUB = sorted(Path(".github/workflows").glob("*.yml"))
GITLAB = Path(".gitlab-ci.yml")
SCHEMAS = {path: "vendor.github-workflows" for path in GITHUB} | {GITLAB: "vendor.gitlab-ci"}


def read(text: str) -> Any:
    """As YAML 1.2, in which the key `on` is none of a truth value."""
    return YAML(typ="safe", pure=True).load(text)


def mistakes(schema: str, text: str) -> list[str]:
    validator = jsonschema.Draft7Validator(get_builtin_schema(schema))
    return [str(error) for error in validator.iter_errors(read(text))]


def commands(recipe: Path) -> list[str]:
    """The `./bazelw` commands, in their order."""
    return re.findall(r"\./bazelw [^|\n]*[^|\s]", recipe.read_text(encoding="utf-8"))


def test_there_are_all() -> None:
    assert [path.name for path in GITHUB] == ["ci.yml", "lock.yml"]


@pytest.mark.parametrize("recipe", SCHEMAS, ids=str)
def test_its_service_knows_every_key(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    assert mistakes(SCHEMAS[recipe], text) == []
    found = mistakes(SCHEMAS[recipe], text.replace("timeout", "tymeout"))
    assert found
    assert all("tymeout" in mistake for mistake in found)


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
    assert renewed == ["./bazelw run //:lock -- --security", "./bazelw run //:lock launcher"]
    assert commands(GITLAB)[3:] == renewed


def test_ci_stays_in_the_locks() -> None:
    github = read(Path(".github/workflows/ci.yml").read_text())
    assert str(github["jobs"]["test"]["env"]["PADDLE_IMAGES_LOCKED"]) == "1"
    gitlab = read(GITLAB.read_text())
    assert gitlab["test"]["variables"]["PADDLE_IMAGES_LOCKED"] == "1"


@pytest.mark.parametrize("recipe", GITHUB, ids=str)
def test_actions_are_pinned(recipe: Path) -> None:
    used = re.findall(r"uses: (.*)", recipe.read_text())
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in used)
