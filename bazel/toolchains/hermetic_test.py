"""The toolchains work where a host has nothing: no compiler, header, library or Python.

They run in a root that is empty but for a shell (which gcc's and Python's start
scripts need) and the toolchains' own repositories.
"""

import os
import subprocess
from pathlib import Path

import pytest

from bazel.image.base import namespaces
from bazel.platforms.table import GCC_VERSION, MACHINES

BWRAP = Path(os.environ["BWRAP"])
TOOLS = Path(os.environ["TOOLS_ROOT"]).resolve()
CC = Path(os.environ["CC_ROOT"]).resolve().parent
PYTHON = Path(os.environ["PYTHON_ROOT"]).resolve()
SOURCE = Path(os.environ["SOURCE"]).resolve()
OTHERS = {
    arch: (Path(os.environ[f"CC_ROOT_{arch}"]).resolve().parent, os.environ[f"SYSROOT_ROOT_{arch}"])
    for arch in MACHINES
    if arch != "amd64"
}
namespaces.require(Path(os.environ["TEST_TMPDIR"]))


def in_empty_root(out: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command that sees /cc, /python, /src, /out, a shell, and nothing else.

    Of the other machines it sees /cc_ARCH and /sysroot_ARCH, and QEMU.
    """
    others = [
        flag
        for arch, (cc, sysroot) in OTHERS.items()
        for flag in (
            *("--ro-bind", cc, f"/cc_{arch}"),
            *("--ro-bind", Path(sysroot).resolve(), f"/sysroot_{arch}"),
            *("--ro-bind", TOOLS / "usr/bin" / qemu(arch), f"/{qemu(arch)}"),
        )
    ]
    shell = [flag for d in ("bin", "lib", "usr/lib") for flag in ("--ro-bind", TOOLS / d, f"/{d}")]
    loader = "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    return subprocess.run(
        [
            *(BWRAP, "--unshare-all", "--die-with-parent", "--clearenv", "--tmpfs", "/"),
            *shell,
            *("--symlink", loader, "/lib64/ld-linux-x86-64.so.2"),
            *("--ro-bind", CC, "/cc", "--ro-bind", PYTHON, "/python"),
            *others,
            *("--ro-bind", SOURCE.parent, "/src", "--bind", out, "/out"),
            *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/out"),
            *command,
        ],
        capture_output=True,
        text=True,
    )


def qemu(arch: str) -> str:
    return f"qemu-{MACHINES[arch]['cpu']}"


def succeed(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_root_holds_no_compiler_headers_or_python(tmp_path: Path) -> None:
    for path in ("/usr/include", "/usr/bin/gcc", "/usr/bin/python3", "/bin/gcc", "/etc"):
        found = in_empty_root(tmp_path, "/bin/dash", "-c", f"test -e {path}")
        assert found.returncode == 1, f"{path} exists in the empty root: {found}"


def test_gcc_compiles_links_and_runs(tmp_path: Path) -> None:
    compiler = ["/cc/root/usr/bin/g++", "-B/cc/wrap/", "--sysroot=/cc/root", "-std=c++17", "-O2"]
    succeed(in_empty_root(tmp_path, *compiler, f"/src/{SOURCE.name}", "-o", "/out/hello"))
    library = "/cc/root/lib/x86_64-linux-gnu"
    output = succeed(
        in_empty_root(
            tmp_path,
            f"{library}/ld-linux-x86-64.so.2",
            *("--inhibit-cache", "--library-path"),
            f"{library}:/cc/root/usr/lib/x86_64-linux-gnu",
            "/out/hello",
        )
    )
    assert output == "42 caught 0\n"


@pytest.mark.parametrize("arch", OTHERS)
def test_gcc_compiles_and_links_for_another_machine(tmp_path: Path, arch: str) -> None:
    sysroot, triple = f"/sysroot_{arch}", MACHINES[arch]["triple"]
    own = f"{sysroot}/usr/lib/gcc/{triple}/{GCC_VERSION}"
    headers = [
        *(f"c++/{GCC_VERSION}", f"{triple}/c++/{GCC_VERSION}", triple, ""),  # as the toolchain has
    ]
    compiler = [f"/cc_{arch}/root/usr/bin/g++", f"-B/cc_{arch}/wrap/", f"-B{own}/"]
    compiler += [f"--sysroot={sysroot}", "-std=c++17", "-O2", "-nostdinc", "-nostdinc++"]
    compiler += [f"-isystem{own}/include"]
    compiler += [f"-isystem{sysroot}/usr/include/{folder}" for folder in headers]
    succeed(in_empty_root(tmp_path, *compiler, f"/src/{SOURCE.name}", "-o", "/out/hello"))
    library = f"{sysroot}/lib/{triple}"
    output = succeed(
        in_empty_root(
            tmp_path,
            f"/{qemu(arch)}",
            f"{library}/{MACHINES[arch]['loader']}",
            *("--inhibit-cache", "--library-path"),
            f"{library}:{sysroot}/usr/lib/{triple}",
            "/out/hello",
        )
    )
    assert output == "42 caught 0\n"


def test_python_runs_on_its_own_libraries(tmp_path: Path) -> None:
    program = (
        "import bz2, ctypes, hashlib, lzma, sqlite3, ssl, sys, zlib\n"
        "maps = {line.split()[-1] for line in open('/proc/self/maps') if '.so' in line}\n"
        "print(sys.version_info[:2], sys.prefix, sorted(m for m in maps if '/python/' not in m))\n"
    )
    output = succeed(in_empty_root(tmp_path, "/python/usr/bin/python3", "-c", program))
    assert output == "(3, 11) /python/usr []\n"
