"""Runs a training program as if on another CPU, or in other surroundings, and compares its files.

A CPU is shown in one of two ways. CPUID is trapped, where processor and kernel can (as_cpu.cc):
full speed, AVX-512 too, but the instructions compute what this processor computes. Or the whole
CPU is emulated by qemu of the lock: ten times slower and AVX2 at most, but other silicon too: its
approximate instructions (RSQRTPS) are exact.

The environment variables AS_CPU and QEMU hold the two programs' paths.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bazel.platforms.table import AMD64, PYTHON_VERSION

NATIVE = "native"
EMULATED = "/qemu"  # ends the name of a CPU that is to be emulated even where trapping is possible

_NOT_HERE = 125  # as_cpu's exit status, with the reason on stderr


@dataclass(frozen=True)
class Cpu:
    """A kind of CPU that libraries tell apart."""

    means: str
    qemu: str | None = None  # qemu-x86_64's model, if it has the instructions


# By as_cpu's names.
CPUS = {
    "nehalem": Cpu("Intel, SSE 4.2", "Nehalem"),
    "sandy-bridge": Cpu("Intel, AVX", "SandyBridge"),
    "haswell": Cpu("Intel, AVX2", "Haswell"),
    "zen2": Cpu("AMD, AVX2", "EPYC-Rome"),
    "skylake-server": Cpu("Intel, AVX-512"),
    "icelake-server": Cpu("Intel, AVX-512 with VNNI"),
    "zen4": Cpu("AMD, AVX-512 with VNNI, BF16"),
    "sapphire-rapids": Cpu("Intel, AVX-512 with AMX"),
}


class NoSuchLevelError(Exception):
    """A name that no level has; the message has those that there are."""


class NotShownError(Exception):
    """This machine cannot show a level; says why in a sentence."""


class ProgramError(Exception):
    """A program failed at a level; holds what it wrote to stderr."""


@dataclass(frozen=True)
class Program:
    """A training program: any that takes `--out DIR`."""

    name: str
    start: Path  # what `bazel run` starts
    main: Path  # the Python file behind it; its libraries are on this process's sys.path
    arguments: Sequence[str] = ()


@dataclass(frozen=True)
class Level:
    """Where and how a program runs."""

    name: str
    means: str
    prefix: Sequence[str | Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    cores: int | None = None  # of those that this process may use
    moved: bool = False  # another path, folder, home, umask


def _surroundings() -> dict[str, Level]:
    """What may not matter beside the CPU."""
    locale = {"LANG": "de_DE.UTF-8", "LC_ALL": "C", "TZ": "Asia/Shanghai"}
    person = {"USER": "somebody", "PYTHONHASHSEED": "4711"}
    return {
        level.name: level
        for level in (
            Level("one-core", "one core of this machine", cores=1),
            Level("four-threads", "OMP_NUM_THREADS=4", environment={"OMP_NUM_THREADS": "4"}),
            Level(
                "elsewhere",
                "other path, folder, home, user name, locale, time zone, umask, hash seed",
                environment=locale | person,
                moved=True,
            ),
        )
    }


SURROUNDINGS = _surroundings()


def level(name: str) -> Level:
    """The level of a name: `native`, a key of CPUS or SURROUNDINGS, or a CPU's name and `/qemu`.

    A CPU is trapped if this machine can, and else emulated.

    Raises:
        NotShownError: neither is possible.
        NoSuchLevelError: there is no such name.
    """
    if name == NATIVE:
        return Level(name, this_cpu())
    if name in SURROUNDINGS:
        return SURROUNDINGS[name]
    kind = name.removesuffix(EMULATED)
    if kind not in CPUS:
        known = ", ".join((NATIVE, *SURROUNDINGS, *CPUS))
        raise NoSuchLevelError(f"There is no level {name}: take one of {known}.")
    cpu = CPUS[kind]
    reason = "qemu has no AVX-512"
    if kind == name:
        if not (why_not := _why_not_trapped(kind)):
            return Level(name, f"{cpu.means}; CPUID trapped", (_program("AS_CPU"), kind))
        reason = f"{why_not}, and {reason}"
    if not cpu.qemu:
        raise NotShownError(reason)
    return Level(kind + EMULATED, f"{cpu.means}; emulated", (_program("QEMU"), "-cpu", cpu.qemu))


def this_cpu() -> str:
    """The model name that the kernel knows."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "this CPU"


def train(program: Program, at: Level, out: Path, without: Sequence[str] = ()) -> dict[str, str]:
    """Trains at a level; returns name -> sha256 of each file that was written.

    Args:
        program: what to run.
        at: where to run it.
        out: a folder for its files.
        without: settings to take away first, see altered.py.

    Raises:
        NotShownError: the CPU lacks an instruction that the program must have; or settings are
            to be taken away from a program that runs by its own start script.
        ProgramError: the program failed otherwise.
    """
    arguments = [*program.arguments, f"--out={out.absolute()}"]
    if at.moved:
        if without:
            raise NotShownError("no setting can be taken away from the program's start script")
        _run_moved(program.start, arguments, at)
    else:
        altered: list[str | Path] = []
        if without:
            altered = [Path(__file__).with_name("altered.py"), ",".join(without)]
        run_python([*altered, program.main, *arguments], at)
    return digests(out)


def run_python(
    arguments: Sequence[str | Path], at: Level, environment: Mapping[str, str] | None = None
) -> str:
    """Runs a Python program at a level, with the libraries of this one; returns its stdout.

    Raises:
        NotShownError: the CPU lacks an instruction that the program must have.
        ProgramError: the program failed otherwise.
    """
    # The interpreter without its start script, whose exec would leave the emulator: what that
    # script does is done here.
    root = Path(sys.executable).absolute().parents[2]
    libraries = root / "lib" / AMD64["triple"]
    command = [
        *at.prefix,
        libraries / AMD64["loader"],
        "--inhibit-cache",
        *("--library-path", f"{libraries}:{root}/usr/lib/{AMD64['triple']}"),
        *("--argv0", sys.executable),
        root / f"usr/bin/python{PYTHON_VERSION}",
        *arguments,
    ]
    python = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return _run(command, at, python | dict(environment or {}))


def digests(folder: Path) -> dict[str, str]:
    """File -> sha256."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def _run_moved(start: Path, arguments: Sequence[str], at: Level) -> None:
    """By the program's start script at another path, linked there as in another checkout."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        moved = folder / "another place with spaces" / start.name
        moved.parent.mkdir()
        moved.symlink_to(start.absolute())
        moved.with_name(f"{start.name}.runfiles").symlink_to(Path.cwd().parent)
        home = folder / "home"
        home.mkdir()
        _run([moved, *arguments], at, {"HOME": str(home)}, cwd=home, umask=0o077)


def _run(
    command: Sequence[str | Path],
    at: Level,
    environment: Mapping[str, str],
    cwd: Path | None = None,
    umask: int = -1,
) -> str:
    """Nothing of this process's environment but PATH and TMPDIR gets through."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    cores = os.sched_getaffinity(0)
    if at.cores:
        os.sched_setaffinity(0, sorted(cores)[: at.cores])  # the child has it from here
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**kept, **at.environment, **environment},
            umask=umask,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.sched_setaffinity(0, cores)
    if done.returncode in (-signal.SIGILL, 128 + signal.SIGILL):
        raise NotShownError("the program uses an instruction that this CPU lacks")
    if done.returncode:
        raise ProgramError(f"exit status {done.returncode} at {at.name}\n{done.stderr}")
    return done.stdout


def _why_not_trapped(cpu: str) -> str | None:
    """None if as_cpu can show the CPU here, else a sentence."""
    done = subprocess.run(
        [_program("AS_CPU"), cpu, "/bin/true"], capture_output=True, text=True, check=False
    )
    return done.stderr.strip().rpartition(": ")[2] if done.returncode == _NOT_HERE else None


def _program(variable: str) -> Path:
    return Path(os.environ[variable]).absolute()
