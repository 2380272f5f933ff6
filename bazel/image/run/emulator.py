"""Runs images of another machine: under QEMU of the lock, in user mode.

QEMU is started with the program and translates it, its threads and its forks. What the program
starts itself (execve) is given to the kernel, which runs no program of another machine: it fails
with "Exec format error". So does a script, whose interpreter would have to be started.
"""

from __future__ import annotations

import os
from pathlib import Path

from bazel.image.base.processes import UserError
from bazel.image.oci.layout import resolved
from bazel.platforms.table import MACHINES

# Where the image sees it: in /dev, a folder that is ours.
INSIDE = "/dev/.emulator"
_HERE = os.uname().machine


def needed(architecture: str) -> bool:
    """Whether this machine cannot run an image's programs itself."""
    return architecture in MACHINES and MACHINES[architecture]["cpu"] != _HERE


def start(architecture: str, system: Path | None) -> tuple[list[str], list[str]]:
    """Flags of bubblewrap, and the words that start a program of an image.

    Args:
        architecture: of the image.
        system: an unpacked package set with QEMU, which runs with the loader and libraries of it.
    """
    qemu = f"usr/bin/qemu-{MACHINES[architecture]['cpu']}"
    here = next((machine for machine in MACHINES.values() if machine["cpu"] == _HERE), None)
    if system is None or here is None or not (system / qemu).is_file():
        raise UserError(
            f"the image is for {architecture}, this machine is {_HERE}, and there is no "
            f"{qemu} to run it with: run it on a machine of its own"
        )
    libraries = f"{INSIDE}/lib/{here['triple']}"
    words = [f"{libraries}/{here['loader']}", "--inhibit-cache"]
    words += ["--library-path", f"{libraries}:{INSIDE}/usr/lib/{here['triple']}"]
    return ["--ro-bind", str(system.resolve()), INSIDE], [*words, f"{INSIDE}/{qemu}"]


def found(root: Path, program: str, path: str) -> str:
    """The path of a program in the image, as execvp would find it: QEMU does not look for it."""
    if "/" in program:
        return program
    for folder in path.split(":"):
        file = resolved(root, f"{folder}/{program}")
        if file.is_file() and os.access(file, os.X_OK):
            return f"{folder}/{program}"
    raise UserError(f"the image has no {program} in its PATH, {path or 'which is empty'}")
