"""Formats the tree's sources, or (--check) fails on what is not formatted.

Starlark by buildifier, C++ by clang-format, Python by ruff; --check also runs
the linters: buildifier's, ruff's, mypy, and labels.py.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import clang_format

from bazel.format import labels

Command = list[str]


def tracked(*patterns: str) -> list[str]:
    """Files that git tracks, or would on `git add`, below the working directory."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted(name for name in listing.split("\0") if name and Path(name).exists())


def loaded_by_others() -> list[str]:
    """Starlark that workspaces load which depend on this one."""
    return [
        name
        for name in tracked("bazel/*.bzl", "bazel/*.BUILD", "images/layers/*.bzl")
        if not {"testdata", "tests"} & set(Path(name).parts)
    ]


def commands(check: bool, buildifier: str) -> list[tuple[str, Command]]:
    starlark = tracked("*.bzl", "*.bazel", "*.BUILD")
    cxx = tracked("*.cc", "*.h")
    python = tracked("*.py")
    clang = clang_format.get_executable("clang-format")
    ruff = [sys.executable, "-m", "ruff"]
    if not check:
        return [
            ("buildifier", [buildifier, "--mode=fix", "--lint=fix", *starlark]),
            ("clang-format", [clang, "-i", *cxx]),
            ("ruff", [*ruff, "check", "--fix-only", "--quiet", *python]),
            ("ruff format", [*ruff, "format", "--quiet", *python]),
        ]
    return [
        ("buildifier", [buildifier, "--mode=check", "--lint=warn", *starlark]),
        ("clang-format", [clang, "--dry-run", "--Werror", *cxx]),
        ("ruff", [*ruff, "check", "--quiet", *python]),
        ("ruff format", [*ruff, "format", "--check", "--quiet", *python]),
        ("mypy", [sys.executable, "-m", "mypy", *python]),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="format", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 on findings")
    check = parser.parse_args().check

    buildifier = str(Path(os.environ["BUILDIFIER"]).resolve())
    os.chdir(os.environ["BUILD_WORKSPACE_DIRECTORY"])
    failed = []
    for name, command in commands(check, buildifier):
        result = subprocess.run(command)
        print(f"{name}: {'ok' if result.returncode == 0 else 'FAILED'}", flush=True)
        if result.returncode:
            failed.append(name)
    if check:
        found = [line for name in loaded_by_others() for line in labels.problems(Path(name))]
        print("\n".join([*found, f"labels: {'FAILED' if found else 'ok'}"]), flush=True)
        failed += ["labels"] if found else []
    if failed:
        print(f"format: {', '.join(failed)} found something: see above.", file=sys.stderr)
        if check:
            print("`./bazelw run //bazel/format` mends what can be mended.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
