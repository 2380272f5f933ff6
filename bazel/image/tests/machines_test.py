"""Images of another machine: run under QEMU of the lock, pushed in one index, verified."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bazel.image.oci.layout import Image
from bazel.image.run import runtime
from bazel.image.tests.users import HERE, SMALL, environment, get, program

ARM64 = HERE / "small_arm64"
KEY = HERE / "cosign/test"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path)


def test_the_image_is_for_that_machine() -> None:
    assert Image(SMALL).config["architecture"] == "amd64"
    assert Image(ARM64).config["architecture"] == "arm64"
    told = (HERE / "small_arm64.json.sha256").read_text().strip()
    assert Image(ARM64).digest == told != Image(SMALL).digest
    history = [entry["created_by"] for entry in Image(ARM64).config["history"]]
    assert history == ["base files", "Debian libraries", "program"]


def test_it_serves_under_qemu_until_it_is_stopped(cache: Path) -> None:
    with runtime.Container(ARM64, cache=cache, options=["--env", "GIVEN=yes"]) as container:
        container.wait_ready("/")
        said = get(container.url)
        assert container.stop() == 0
    assert "uid 65532 gid 65532 pid 1\n" in said
    assert "NoNewPrivs:\t1\n" in said
    assert "/app read-only\n/tmp writable\n/logs writable\n/models writable\n" in said
    assert "env GIVEN yes\n" in said
    assert container.stdout == "serving\nstopping\n"
    assert "under QEMU, as an arm64 machine would" in container.stderr


def ended(cache: Path, *arguments: str, entrypoint: str = "") -> tuple[int, str]:
    options = ["--entrypoint", entrypoint] if entrypoint else []
    container = runtime.Container(ARM64, cache=cache, arguments=[*arguments], options=options)
    return container.wait(), container.stderr


def test_exit_codes_and_programs_in_the_path(cache: Path) -> None:
    assert ended(cache, "exit", "7")[0] == 7
    assert ended(cache, "exit", "5", entrypoint="server")[0] == 5
    code, said = ended(cache, entrypoint="nothing")
    assert code == 1
    assert "nothing" in said.splitlines()[-1]
    assert ended(cache, entrypoint="/bin/sh")[0] == 1


def test_a_fork_of_a_program_with_threads_starts_threads(cache: Path) -> None:
    code, said = ended(cache, "fork")
    assert code == 5, said


def test_what_it_starts_itself(cache: Path) -> None:
    code, said = ended(cache, "exec", "/app/bin/server", "exit", "9")
    if "what it starts itself cannot be run" in said:  # it has been said
        assert code == 126
        assert "Exec format error" in said
    else:
        assert code == 9


def test_where_the_kernel_has_no_rules_for_namespaces(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As before Linux 6.7: no file system binfmt_misc may be mounted."""
    without = tmp_path / "sitecustomize.py"
    without.write_text(
        "from bazel.image.base import namespaces\n"
        "namespaces.register = lambda folder, rule: False\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ['PYTHONPATH']}")
    assert ended(cache, "exit", "7")[0] == 7
    assert ended(cache, "exit", "5", entrypoint="server")[0] == 5
    assert ended(cache, "fork")[0] == 5
    code, said = ended(cache, entrypoint="nothing")
    assert code == 1
    assert "the image has no nothing in its PATH, /app/bin:/usr/bin" in said
    code, said = ended(cache, "exec", "/app/bin/server", "exit", "9")
    assert code == 126
    assert "what it starts itself cannot be run: that takes Linux 6.7" in said
    assert "Exec format error" in said


def test_without_an_emulator_it_says_what_is_missing(cache: Path, tmp_path: Path) -> None:
    options = [f"--emulators={tmp_path}"]
    container = runtime.Container(ARM64, cache=cache, options=options)
    assert container.wait() == 1
    assert "the image is for arm64, this machine is x86_64" in container.stderr


def inspect(port: int, *words: str) -> Any:
    command = [str(runtime.tool("skopeo")), "inspect", "--tls-verify=false", *words]
    command.append(f"docker://localhost:{port}/test/small:1.0")
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def test_an_index_of_both_machines(home: dict[str, str], tmp_path: Path) -> None:
    home["COSIGN_PASSWORD"] = "hunter2"
    with runtime.registry(tmp_path / "registry") as port:
        to = f"localhost:{port}/test/small"
        pushed = program("small_index_push", "-r", to, f"--sign-key={KEY.absolute()}.key", env=home)
        assert pushed.returncode == 0, pushed.stderr
        digest = json.loads((HERE / "small_index/index.json").read_text())["manifests"][0]["digest"]
        assert f"index    {to}@{digest}   of amd64, arm64\n" in pushed.stdout
        security = [line for line in pushed.stdout.splitlines() if line.startswith("security ")]
        assert len(security) == 2
        for line in security:
            patched = "`./bazelw run --config=patched //bazel/image/tests:small_index_push`"
            assert line.endswith(patched) or "none is pending" in line

        told = {
            e["platform"]["architecture"]: e["digest"] for e in inspect(port, "--raw")["manifests"]
        }
        assert told == {"amd64": Image(SMALL).digest, "arm64": Image(ARM64).digest}
        for machine in told:
            assert inspect(port, f"--override-arch={machine}")["Architecture"] == machine
        tags = json.loads(get(f"http://127.0.0.1:{port}/v2/test/small/tags/list"))["tags"]
        assert {"1.0", "1.0-amd64", "1.0-arm64"} < set(tags)

        words = [f"{to}:1.0", f"--key={KEY.absolute()}.pub", "--deep"]
        verified = program("verify_machines", *words, env=home)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert verified.stdout.count("of the index: by test.pub") == 1
        assert "//bazel/image/tests:small_arm64 here: equal" in verified.stdout
        assert verified.stdout.splitlines()[-1] == "verified"
