"""A program at a level sees the CPU that it is to see, and so do its threads and children."""

import os
import subprocess
from pathlib import Path

import pytest

from bazel.model.levels import levels

# NumPy's own look at CPUID, and the kind of CPU that its OpenBLAS takes this one for.
LOOK = """
import numpy, threadpoolctl
from numpy.core._multiarray_umath import __cpu_features__ as features
found = [name for name in ("AVX", "AVX2", "AVX512F", "AVX512VNNI", "AVX512FP16") if features[name]]
print(*found, threadpoolctl.threadpool_info()[0]["architecture"])
"""
SEEN = {
    "nehalem": "Nehalem",
    "sandy-bridge": "AVX Sandybridge",
    "haswell": "AVX AVX2 Haswell",
    "zen2": "AVX AVX2 Zen",
    "skylake-server": "AVX AVX2 AVX512F SkylakeX",
    "icelake-server": "AVX AVX2 AVX512F AVX512VNNI SkylakeX",
    "zen4": "AVX AVX2 AVX512F AVX512VNNI Cooperlake",
    "sapphire-rapids": "AVX AVX2 AVX512F AVX512VNNI AVX512FP16 SapphireRapids",
}


def level(name: str) -> levels.Level:
    """Skips the test where the machine cannot show it."""
    try:
        return levels.level(name)
    except levels.NotShownError as reason:
        pytest.skip(f"{name} cannot be shown here: {reason}")


def trapped(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command by as_cpu."""
    if (at := level("nehalem")).name.endswith(levels.EMULATED):
        pytest.skip("CPUID cannot be trapped here")
    return subprocess.run([*at.prefix, *command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", levels.CPUS)
def test_libraries_see_the_cpu(name: str) -> None:
    assert levels.run_python(["-c", LOOK], level(name)).strip() == SEEN[name]


def test_every_cpu_is_looked_at() -> None:
    assert SEEN.keys() == levels.CPUS.keys()


def test_threads_and_children_see_it() -> None:
    look = f"""
import subprocess, sys, threading
thread = threading.Thread(target=exec, args=({LOOK!r}, {{}}))
thread.start()
thread.join()
sys.stdout.flush()
subprocess.run([sys.executable, "-c", {LOOK!r}], check=True)
"""
    at = level("nehalem")
    if at.name.endswith(levels.EMULATED):
        pytest.skip("CPUID cannot be trapped here, and an emulator does not follow its children")
    assert levels.run_python(["-c", look], at).splitlines() == [SEEN["nehalem"]] * 2


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 3", 3),
        ("kill -TERM $$", 128 + 15),
        ("kill -SEGV $$", 128 + 11),
        ("trap 'exit 7' SEGV; kill -SEGV $$", 7),
        # Signals that come while a program is being exec'ed.
        (
            "for i in 1 2 3 4 5 6; do sleep 0.1 & kill -STOP $!; kill -CONT $!; done; wait; exit 4",
            4,
        ),
        ("for i in 1 2 3 4 5 6; do sleep 9 & kill -KILL $!; done; wait; exit 4", 4),
    ],
)
def test_exit_statuses_and_signals_pass_through(script: str, status: int) -> None:
    assert trapped("sh", "-c", script).returncode == status


def test_a_program_that_is_not_there() -> None:
    done = trapped("/no/such/program")
    assert done.returncode == 127
    assert done.stderr == "as_cpu: /no/such/program: No such file or directory\n"


def test_an_unknown_cpu() -> None:
    done = subprocess.run(
        [os.environ["AS_CPU"], "z80", "true"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "CPUs: nehalem" in done.stderr
    with pytest.raises(levels.NoSuchLevelError, match="There is no level z80: take one of native,"):
        levels.level("z80")


def test_a_machine_that_cannot_trap_emulates_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "as_cpu"
    broken.write_text("#!/bin/sh\necho as_cpu: $1 cannot be shown here: no luck >&2\nexit 125\n")
    broken.chmod(0o755)
    monkeypatch.setenv("AS_CPU", str(broken))
    assert levels.level("haswell").name == "haswell/qemu"
    with pytest.raises(levels.NotShownError, match=r"no luck, and qemu has no AVX-512"):
        levels.level("skylake-server")


def test_an_emulated_cpu_lacks_instructions() -> None:
    """Where CPUID is trapped the instruction would still be there."""
    avx = "import paddle"
    with pytest.raises(levels.NotShownError, match="uses an instruction that this CPU lacks"):
        levels.run_python(["-c", avx], levels.level("nehalem/qemu"))


def test_a_program_that_fails_tells_why() -> None:
    with pytest.raises(
        levels.ProgramError, match=r"exit status 1 at native\n.*no such option: --x"
    ):
        levels.run_python(["-c", "raise SystemExit('no such option: --x')"], levels.level("native"))
