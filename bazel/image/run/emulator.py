"""Runs images of another machine: under QEMU of the lock, in user mode.

Since Linux 6.7 a user namespace has rules of its own for programs of other machines (binfmt_misc):
the kernel is told to start them by QEMU. Else QEMU is started with the program, and translates it,
its threads and its forks; what the program starts itself (execve), and a script, fails with "Exec
format error".
"""

from __future__ import annotations

import os
from pathlib import Path

from elftools.elf.enums import ENUM_E_MACHINE

from bazel.image.base import namespaces
from bazel.image.base.processes import UserError
from bazel.image.oci.layout import resolved
from bazel.platforms.table import MACHINES

# Where the image sees it: in /dev, a folder that is ours.
INSIDE = "/dev/.emulator"
# What QEMU runs with, see qemu_forks.c; beside it, since a read-only folder takes no more files.
_PRELOAD = f"{INSIDE}.so"
_HERE = os.uname().machine


def needed(architecture: str) -> bool:
    """Whether this machine cannot run an image's programs itself."""
    return architecture in MACHINES and MACHINES[architecture]["cpu"] != _HERE


def register(folder: Path, architecture: str) -> bool:
    """Tells the kernel what starts programs of a machine; gives whether it can be told."""
    # e_ident and e_type, of programs and of libraries that are programs, and e_machine.
    machine = ENUM_E_MACHINE[MACHINES[architecture]["elf"]].to_bytes(2, "little")
    magic = b"\x7fELF\2\1\1" + bytes(9) + b"\2\0" + machine
    mask = b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
    # F: it is opened now, by its path here. P: it is told argv[0].
    launcher = Path(__file__).absolute().parent / f"{architecture}/emulate_{architecture}"
    texts = ["".join(f"\\x{byte:02x}" for byte in one) for one in (magic, mask)]
    rule = ["", "paddle_images", "M", "", *texts, str(launcher.resolve(strict=True)), "PF"]
    # The first character is what stands between them: one that is in no path.
    return namespaces.register(folder, "\x1f".join(rule).encode())


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
    words = [f"{libraries}/{here['loader']}", "--inhibit-cache", "--preload", _PRELOAD]
    words += ["--library-path", f"{libraries}:{INSIDE}/usr/lib/{here['triple']}"]
    preload = Path(__file__).absolute().parent / "qemu_forks/libqemu_forks.so"
    flags = ["--ro-bind", str(system.resolve()), INSIDE]
    flags += ["--ro-bind", str(preload.resolve(strict=True)), _PRELOAD]
    return flags, [*words, f"{INSIDE}/{qemu}"]


def found(root: Path, program: str, path: str) -> str:
    """The path of a program in the image, as execvp would find it: QEMU does not look for it."""
    if "/" in program:
        return program
    for folder in path.split(":"):
        file = resolved(root, f"{folder}/{program}")
        if file.is_file() and os.access(file, os.X_OK):
            return f"{folder}/{program}"
    raise UserError(f"the image has no {program} in its PATH, {path or 'which is empty'}")
