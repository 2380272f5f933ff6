"""The recipes for CI hold to their services' schemas, and run what README.md says."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from ruamel.yaml import YAML

GITHUB = sorted(Path(".github/workflows").glob("*.yml"))
LOCK = Path(".github/workflows/lock.yml")
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
    renewed = commands(LOCK)
    assert renewed == ["./bazelw run //:lock -- --security", "./bazelw run //:lock launcher"]
    assert commands(GITLAB)[3:] == renewed


TOKEN = "a token"
BAZELW = """#!/bin/sh
case $* in
  *--security) echo "updates" | tee lock.json ;;
  *launcher) echo "another major version" >&2; exit 1 ;;
esac
"""
# It has no open pull request until one is made, and a merged one, which an edit finds.
GH = """#!/bin/sh
echo "$1 $2" >> "$RUNNER_TEMP/asked"
case "$1 $2" in
  "pr create") [ ! -e "$RUNNER_TEMP/open" ] && touch "$RUNNER_TEMP/open" ;;
  "pr edit") ;;
  *) exit 2 ;;
esac
"""


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(name="work")
def a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone on a runner, at a detached HEAD, of the bare repository `team/ours.git`."""
    (tmp_path / "gitconfig").write_text(
        "[user]\n\tname = t\n\temail = t@t.test\n"
        f'[url "{tmp_path}/"]\n\tinsteadOf = https://lock@git.test/\n'
    )
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    for name, value in {
        "CI_PROJECT_PATH": "team/ours",
        "CI_SERVER_HOST": "git.test",
        "GITLAB_USER_EMAIL": "t@t.test",
        "GITLAB_USER_NAME": "t",
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
        "GIT_TRACE": str(tmp_path / "trace"),
        "HOME": str(tmp_path),
        "LOCK_TOKEN": TOKEN,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    work, origin = tmp_path / "work", tmp_path / "team" / "ours.git"
    git(tmp_path, "init", "--quiet", "--bare", str(origin))
    git(origin, "config", "receive.advertisePushOptions", "true")
    git(tmp_path, "init", "--quiet", str(work))
    (work / "lock.json").write_text("none\n")
    (work / "bazelw").write_text(BAZELW)
    (work / "bazelw").chmod(0o755)
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "first")
    git(work, "tag", "first")
    git(work, "remote", "add", "origin", str(origin))
    git(work, "checkout", "--quiet", "--detach")
    return work


def renew(recipe: Path, work: Path) -> None:
    """Runs what the job that renews the locks runs."""
    job = read(recipe.read_text())["lock" if recipe == GITLAB else "jobs"]
    if recipe == GITLAB:
        scripts = ["\n".join(job["script"])]
    else:
        scripts = [step["run"] for step in job["lock"]["steps"] if "lock" in step.get("run", "")]
    for script in scripts:
        subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=work, check=True)


@pytest.mark.parametrize("recipe", [GITLAB, LOCK], ids=str)
def test_updates_are_proposed_while_the_launcher_cannot_be_renewed(
    recipe: Path, work: Path
) -> None:
    renew(recipe, work)
    origin = work.parent / "team" / "ours.git"
    assert git(origin, "show", "refs/heads/locks:lock.json") == "updates"
    assert git(origin, "log", "-1", "--format=%s", "locks") == "Security updates"


def test_a_pull_request_is_opened_where_none_is_open(work: Path) -> None:
    renew(LOCK, work)
    git(work, "checkout", "--quiet", "--detach", "first")
    git(work, "branch", "--quiet", "--delete", "--force", "locks")
    renew(LOCK, work)
    asked = (work.parent / "asked").read_text().splitlines()
    assert asked == ["pr create", "pr create", "pr edit"]


def test_the_token_reaches_git_in_no_command_line(work: Path) -> None:
    renew(GITLAB, work)
    trace = (work.parent / "trace").read_text()
    assert " push --force " in trace
    assert TOKEN not in trace
    options = re.search(r"git (-c .*) \\\n *push ", GITLAB.read_text())
    assert options
    asked = "protocol=https\nhost=git.test\nusername=lock\n\n"
    command = ["bash", "-c", f"git {options[1]} credential fill"]
    filled = subprocess.run(command, input=asked, check=True, capture_output=True, text=True)
    assert f"password={TOKEN}" in filled.stdout.splitlines()


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
