"""run.sh tells programs from scripts where PATH has no program at all."""

import os
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.sh")
SHELLS = [os.environ["DASH"], *(s for s in ("/bin/sh", "/bin/bash") if Path(s).exists())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Runfiles whose loader says what it is asked to load, and things to run."""
    files = {
        "ROOT/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": b'#!/bin/sh\necho "loaded: $*"\n',
        "QEMU": b'#!/bin/sh\nPATH=/bin:/usr/bin\necho "in QEMU, $(sh "$@")"\n',
        "script": b'#!/bin/sh\necho "script: $*"\n',
        "program": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\xff\n\x00",
        "short": b"\x7fELF\x02",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755)
    return tmp_path


def run(
    shell: str, folder: Path, *command: str, here: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs run.sh as it is made for programs of this machine, or for those of another one."""
    script = folder / "run.sh"
    script.write_text(RUN.read_text().replace("q=QEMU", "q=") if here else RUN.read_text())
    return subprocess.run(
        [Path(shell).absolute(), script, *command],
        env={"PATH": "/nonexistent", "RUNFILES_DIR": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("program", ["program", "short"])
def test_program_is_loaded_by_the_root(shell: str, folder: Path, program: str) -> None:
    done = run(shell, folder, f"{folder}/{program}", "a b")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("loaded: --inhibit-cache --library-path")
    assert done.stdout.endswith(f" {folder}/{program} a b\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_program_of_another_machine_is_loaded_in_qemu(shell: str, folder: Path) -> None:
    done = run(shell, folder, f"{folder}/program", "a b", here=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("in QEMU, loaded: --inhibit-cache --library-path")
    assert done.stdout.endswith(f" {folder}/program a b\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_script_starts_as_it_is(shell: str, folder: Path) -> None:
    done = run(shell, folder, f"{folder}/script", "a b")
    assert (done.returncode, done.stdout, done.stderr) == (0, "script: a b\n", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_not_there_is_an_error(shell: str, folder: Path) -> None:
    done = run(shell, folder, f"{folder}/missing")
    assert done.returncode == 127 and "missing" in done.stderr
