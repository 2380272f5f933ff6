"""On a CPU without AVX each program of the images says so, in place of dying with signal 4."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

from bazel.model.levels import levels

SENTENCE = "This CPU has no AVX instructions, which Paddle needs."
ROOT = Path(os.environ["ROOT"])


def emulated(cpu: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The server on a CPU; without its start script, whose exec would leave the emulator."""
    libraries = ROOT / "lib/x86_64-linux-gnu"
    return subprocess.run(
        [
            *(os.environ["QEMU"], "-cpu", cpu, libraries / "ld-linux-x86-64.so.2"),
            *("--inhibit-cache", "--library-path", f"{libraries}:{ROOT}/usr/lib/x86_64-linux-gnu"),
            *(os.environ["SERVER"], *arguments),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", ["--version", "--help", "healthcheck", "serve"])
def test_the_server_says_so(arguments: str) -> None:
    done = emulated("Nehalem", arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(SENTENCE)
    assert done.stdout == ""


def test_with_avx_the_server_runs() -> None:
    done = emulated("SandyBridge", "--version")
    assert done.returncode == 0, done.stderr
    assert "(Paddle " in done.stdout


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("cli.train", ["--help"]),
        ("cli.train", ["notebook"]),
        ("cli.slim", ["--help"]),
        ("digits.train", ["--out=/nowhere/but/here"]),
    ],
)
def test_python_programs_say_so(module: str, arguments: list[str], tmp_path: Path) -> None:
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    arguments = [word.replace("/nowhere/but/here", str(tmp_path)) for word in arguments]
    with pytest.raises(levels.ProgramError) as raised:
        levels.run_python([found.origin, *arguments], levels.level("nehalem/qemu"))
    assert str(raised.value).startswith(f"exit status 1 at nehalem/qemu\n{SENTENCE}")


@pytest.mark.parametrize("cpu", [name for name in levels.CPUS if name != "nehalem"])
def test_every_other_cpu_is_good_enough(cpu: str) -> None:
    try:
        levels.run_python(
            ["-c", "from paddle_training import cpu; cpu.need_avx()"], levels.level(cpu)
        )
    except levels.NotShownError as reason:
        pytest.skip(str(reason))
