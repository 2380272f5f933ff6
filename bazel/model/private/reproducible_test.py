"""A trainer gives the same files in different surroundings and on different CPUs.

See paddle_reproducible_test in //bazel/model:defs.bzl.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAINER = Path(os.environ["TRAINER"]).absolute()
MAIN = Path(os.environ["MAIN"]).absolute()
ARGUMENTS = os.environ["TRAINER_ARGS"].split()
CPUS = os.environ["CPUS"].split()
# What a caller might have set and a trainer must not depend on.
KEPT = {"PATH": os.environ["PATH"], "TMPDIR": os.environ["TEST_TMPDIR"]}


def digests(directory: Path) -> dict[str, str]:
    """File -> digest."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.iterdir())
    }


@pytest.fixture(scope="module", name="here")
def trained_here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of a plain run."""
    out = tmp_path_factory.mktemp("here")
    runfiles = {"RUNFILES_DIR": str(Path.cwd().parent)}
    subprocess.run([TRAINER, *ARGUMENTS, f"--out={out}"], env=KEPT | runfiles, check=True)
    return digests(out)


def test_other_surroundings(tmp_path: Path, here: dict[str, str]) -> None:
    # The program's folder gets another path, by links as in another checkout.
    moved = tmp_path / "another place with spaces"
    moved.mkdir()
    (moved / TRAINER.name).symlink_to(TRAINER)
    (moved / f"{TRAINER.name}.runfiles").symlink_to(Path.cwd().parent)
    home = tmp_path / "home"
    home.mkdir()
    surroundings = {
        "HOME": str(home),
        "LANG": "de_DE.UTF-8",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "4711",
        "TZ": "Asia/Shanghai",
        "USER": "somebody",
    }
    out = tmp_path / "deep" / "er" / "out"
    subprocess.run(
        [moved / TRAINER.name, *ARGUMENTS, f"--out={out}"],
        cwd=home,
        env=KEPT | surroundings,
        umask=0o077,
        check=True,
    )
    assert digests(out) == here


def train_on(cpu: str, out: Path, *arguments: str) -> dict[str, str]:
    """Trains on an emulated CPU and returns the digests.

    The interpreter's start script would leave the emulator by its exec: what it does is done here.
    """
    root = Path(sys.executable).absolute().parents[2]
    libraries = root / "lib/x86_64-linux-gnu"
    command: list[str | Path] = [
        Path(os.environ["QEMU"]).absolute(),
        *("-cpu", cpu),
        libraries / "ld-linux-x86-64.so.2",
        "--inhibit-cache",
        *("--library-path", f"{libraries}:{root}/usr/lib/x86_64-linux-gnu"),
        *("--argv0", sys.executable),
        root / "usr/bin/python3.11",
        MAIN,
        *(*ARGUMENTS, *arguments, f"--out={out}"),
    ]
    environment = KEPT | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONNOUSERSITE": "1"}
    # The emulator warns of each feature of the CPU that it lacks: only a failure is worth showing.
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return digests(out)


if CPUS:  # else the target asks for none

    @pytest.mark.parametrize("cpu", CPUS)
    def test_other_cpu(cpu: str, tmp_path: Path, here: dict[str, str]) -> None:
        assert train_on(cpu, tmp_path / "out") == here

    def test_other_bits_without_the_settings(tmp_path: Path, here: dict[str, str]) -> None:
        """Otherwise the test above would prove nothing."""
        there = train_on(CPUS[0], tmp_path / "out", "--fast")
        assert there["model.pdmodel"] == here["model.pdmodel"]
        assert there["model.pdiparams"] != here["model.pdiparams"]
