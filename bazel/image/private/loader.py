"""Hands an image to docker or podman of the user: `loader load --input FILE`.

It is the `loader` of an oci_load target.
"""

from __future__ import annotations

import os
import shutil
import sys

from bazel.image.private import processes
from bazel.image.private.processes import UserError


def main() -> int:
    for name in ("docker", "podman"):
        if path := shutil.which(name):
            # Both read standard input, where FILE comes from.
            os.execv(path, [name, "load"])
    raise UserError(
        "neither docker nor podman is on your PATH. Without them, run the image itself: "
        "the target that ends in _run instead of _load, as in "
        "`./bazelw run //images:inference_run`."
    )


if __name__ == "__main__":
    if sys.argv[1:] != ["load", "--input", "/dev/stdin"]:
        sys.exit("usage: loader load --input /dev/stdin")
    processes.run_main(main)
