"""The toolchains work where a host has nothing: no compiler, header, library or Python.

They run in a root that is empty but for a shell (which gcc's and Python's start
scripts need) and the toolchains' own repositories.
"""

import os
import subprocess
from pathlib import Path

from bazel.image.base import namespaces

BWRAP = Path(os.environ["BWRAP"])
TOOLS = Path(os.environ["TOOLS_ROOT"]).resolve()
CC = Path(os.environ["CC_ROOT"]).resolve().parent
PYTHON = Path(os.environ["PYTHON_ROOT"]).resolve()
SOURCE = Path(os.environ["SOURCE"]).resolve()
namespaces.require(Path(os.environ["TEST_TMPDIR"]))


def in_empty_root(out: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command that sees /cc, /python, /src, /out, a shell, and nothing else."""
    shell = [flag for d in ("bin", "lib", "usr/lib") for flag in ("--ro-bind", TOOLS / d, f"/{d}")]
    loader = "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    return subprocess.run(
        [
            *(BWRAP, "--unshare-all", "--die-with-parent", "--clearenv", "--tmpfs", "/"),
            *shell,
            *("--symlink", loader, "/lib64/ld-linux-x86-64.so.2"),
            *("--ro-bind", CC, "/cc", "--ro-bind", PYTHON, "/python"),
            *("--ro-bind", SOURCE.parent, "/src", "--bind", out, "/out"),
            *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/out"),
            *command,
        ],
        capture_output=True,
        text=True,
    )


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


def test_python_runs_on_its_own_libraries(tmp_path: Path) -> None:
    program = (
        "import bz2, ctypes, hashlib, lzma, sqlite3, ssl, sys, zlib\n"
        "maps = {line.split()[-1] for line in open('/proc/self/maps') if '.so' in line}\n"
        "print(sys.version_info[:2], sys.prefix, sorted(m for m in maps if '/python/' not in m))\n"
    )
    output = succeed(in_empty_root(tmp_path, "/python/usr/bin/python3", "-c", program))
    assert output == "(3, 11) /python/usr []\n"
