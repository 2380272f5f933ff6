"""Contracts that say what none can, and machines that cannot hold an image to one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bazel.image.base.processes import UserError
from bazel.image.run import contract, runtime
from bazel.image.tests.users import HERE, SMALL

WRONG = {
    "usr: x": "it has the unknown usr; known are absent, annotations, cmd",
    "commands: [{run: [a], stdrr: x}]": "commands[0] has the unknown stdrr; known are arguments",
    "commands: [{run: [a], arguments: []}]": "commands[0]: it says either `run` or `arguments`",
    "commands: [{stdout: x}]": "commands[0]: it says either `run` or `arguments`",
    "commands: [{run: [a], stdout: '('}]": "commands[0].stdout: '(' is not a 'regex'",
    "services: [{arguments: [], requests: [{path: /}]}]": (
        "services[0].requests[0]: 'status' is a required property"
    ),
    "services: [{arguments: [], requests: [{path: /, status: 200, bdy: x}]}]": (
        "services[0].requests[0] has the unknown bdy; known are body, path, post, status"
    ),
    "present: {/x: {mod: '0644'}}": "present['/x'] has the unknown mod; known are contains",
    "present: {/x: {mode: 0644}}": "present['/x'].mode: 420 is not of type 'string': put it",
    "labels: {a: {match: x}}": "labels.a: it is either a text or {matches: REGULAR_EXPRESSION}",
    "ports: 8080": "ports: 8080 is not of type 'array'",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_contract_is_named_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        contract.read_terms(path)
    assert f"{path} is no contract (docs/images.md has its keys):\n  " in str(error.value)
    assert WRONG[text] in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"cmd: []\nenv: {}\ncmd: []\n", "the key 'cmd' is there twice\n  in"),
        (b"env: {A: x, B: x, A: y}", "the key 'A' is there twice\n  in"),
        (b"user: \xff", "'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_what_is_not_yaml(tmp_path: Path, text: bytes, says: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_bytes(text)
    with pytest.raises(UserError) as error:
        contract.read_terms(path)
    assert str(error.value).startswith(f"{path} is not YAML: {says}")


def test_one_part_may_be_taken_over_from_another(tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text("env: &env {A: x, B: x}\nlabels: {<<: *env, B: y}\n")
    assert contract.read_terms(path)["labels"] == {"A": "x", "B": "y"}


def test_a_contract_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text("# nothing but what every image promises\n")
    assert contract.read_terms(path) == {}


def test_values_stand_for_what_they_name(tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text('labels: {v: "${version}"}\npresent: {"/lib/python${python}": }\n')
    told = contract.read_terms(path, {"version": "2.0", "python": "3.11"})
    assert told == {"labels": {"v": "2.0"}, "present": {"/lib/python3.11": None}}


def test_an_unknown_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text('labels: {v: "${versoin}"}\n')
    with pytest.raises(UserError) as error:
        contract.read_terms(path, {"version": "2.0", "python": "3.11"})
    expected = "has the unknown value ${versoin}; known are python, version"
    assert str(error.value) == f"{path} {expected}"


def test_without_user_namespaces_it_says_once_what_to_enable() -> None:
    command = [*runtime.without_namespaces(), sys.executable, "-m", contract.__name__]
    command += [f"--layout={SMALL}", f"--contract={HERE}/small.contract.yaml"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 1
    assert result.stdout.startswith("FAIL: this machine lets you make no user namespace")
    assert result.stdout.count("`sysctl -w user.max_user_namespaces=15000`") == 1
    assert "Traceback" not in result.stderr


def of_small(tmp_path: Path, services: str, *flags: str) -> list[str]:
    """Holds a small image to a contract with these services; gives what it tells of failures."""
    path = tmp_path / "contract.yaml"
    path.write_text(f"services: [{{arguments: [serve], {services}}}]")
    command = [sys.executable, "-m", contract.__name__, f"--layout={SMALL}", f"--contract={path}"]
    result = subprocess.run(
        [*command, *flags], capture_output=True, text=True, timeout=300, check=False
    )
    failures = [line for line in result.stdout.splitlines() if line.startswith("FAIL")]
    assert result.returncode == (1 if failures else 0), result.stdout + result.stderr
    return failures


def test_a_service_is_sent_files(tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"x")
    asks = "requests: [{path: /, post: page, status: 200, body: uid 65532}]"
    assert of_small(tmp_path, asks, f"--file={tmp_path}/page") == []
    (failure,) = of_small(tmp_path, asks)
    assert "posts page, which is none of the image's `contract_files`: there is nothing" in failure


def test_a_service_stays_within_its_memory(tmp_path: Path) -> None:
    asks = "requests: [{path: /, status: 200}], memory_mb: "
    assert of_small(tmp_path, asks + "100") == []
    (failure,) = of_small(tmp_path, asks + "1")
    assert "MB of memory, the contract says at most 1 MB" in failure
