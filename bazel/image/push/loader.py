"""Hands an image to docker or podman of the user: `loader load --input FILE`.

It is the `loader` of an oci_load target. A docker without a daemon is passed
over: what is on PATH may be the command line alone.
"""

from __future__ import annotations

import shutil
import sys

from bazel.image.base import processes
from bazel.image.base.processes import UserError

HINT = (
    "Without them, run the image itself: the target that ends in _run instead of _load, as in "
    "`./bazelw run //images:inference_run`."
)


def trouble(path: str) -> str:
    """Why a container engine cannot be used, or nothing."""
    asked = processes.run([path, "version"])
    last = asked.stderr.decode(errors="replace").strip().splitlines()[-1:] or [
        f"exit code {asked.returncode}"
    ]
    return last[0] if asked.returncode else ""


def main() -> int:
    troubles = []
    for name in ("docker", "podman"):
        path = shutil.which(name)
        if not path:
            continue
        if reason := trouble(path):
            troubles.append(f"{name}: {reason}")
            continue
        # Both read standard input, where FILE comes from.
        with processes.running([path, "load"]) as process:
            code = process.wait()
        if code:
            raise UserError(f"{name} could not load the image and says why above. {HINT}")
        return 0
    if troubles:
        raise UserError("\n  ".join(["no container engine answers:", *troubles]) + "\n" + HINT)
    raise UserError(f"neither docker nor podman is on your PATH. {HINT}")


if __name__ == "__main__":
    if sys.argv[1:] != ["load", "--input", "/dev/stdin"]:
        sys.exit("usage: loader load --input /dev/stdin")
    processes.run_main(main)
