"""One source gives programs for all machines, which say the same; the others run in QEMU."""

import os
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from bazel.platforms.table import MACHINES

SAID = """\
absl 1970-01-01T00:00:00+00:00 42
nghttp2 40889acac8b21234da8f0130
protobuf 0896011206e695b0e5ad97
simdjson 0.10000000000000001
yaml-cpp arm64
zlib 78da4b4c44050033980611
caught
"""


def program(name: str, arch: str) -> Path:
    return Path(os.environ[f"{name}_{arch}"]).resolve()


@pytest.mark.parametrize("arch", MACHINES)
def test_a_program_says_the_same_on_each_machine(arch: str) -> None:
    done = subprocess.run(
        [Path(os.environ[f"RUN_{arch}"]).absolute(), program("PROGRAM", arch)],
        env={"RUNFILES_DIR": os.environ["TEST_SRCDIR"], "PATH": "/nonexistent"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, SAID, "")


@pytest.mark.parametrize("arch", MACHINES)
def test_it_is_for_that_machine_and_names_no_place_of_a_build(arch: str) -> None:
    path = program("PROGRAM", arch)
    with path.open("rb") as file:
        elf = ELFFile(file)
        assert elf.header["e_machine"] == MACHINES[arch]["elf"]
        (interpreter,) = (s for s in elf.iter_segments() if s["p_type"] == "PT_INTERP")
        assert Path(interpreter.get_interp_name()).name == MACHINES[arch]["loader"]
    assert b"sandbox" not in path.read_bytes()
