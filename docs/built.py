"""Stands for ./bazelw in blocks that tests run: what they name is built already.

    built.py build LABEL...      nothing but a look whether they are known
    built.py run LABEL [--] ...  starts it as `bazel run` does

$COMMANDS is the file of //docs:defs.bzl.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    command, *words = sys.argv[1:]
    while words and words[0].startswith("-"):  # Bazel's own options
        words.pop(0)
    commands = Path(os.environ["COMMANDS"])
    programs = json.loads(commands.read_text(encoding="utf-8"))["programs"]
    for label in words if command == "build" else words[:1]:
        if label not in programs:
            sys.exit(f"{label} is not in `targets` of this page in docs/BUILD.bazel")
    if command == "build":
        return
    if command != "run":
        sys.exit(f"no test runs `./bazelw {command}`: mark the block")
    program = programs[words.pop(0)]
    if words[:1] == ["--"]:
        words.pop(0)
    where = str(Path.cwd())
    environment = {"BUILD_WORKING_DIRECTORY": where, "BUILD_WORKSPACE_DIRECTORY": where}
    os.chdir(os.environ["FILES"])
    run = str(Path("bazel/toolchains/run").absolute())
    started = [run, program["path"], *program["args"], *words]
    os.execve(run, started, os.environ | environment | program["env"])


if __name__ == "__main__":
    main()
