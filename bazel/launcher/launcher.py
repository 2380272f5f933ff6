"""Entry point of ./bazelw: checks the machine, then hands over to main.py.

Written so that a Python which is too old can still read it and say so.
"""

import os
import shutil
import sys
from pathlib import Path


def _stop(why: str) -> None:
    sys.stderr.write("paddle_images: " + why + "\n")
    sys.exit(36)  # Bazel's own exit code for "something about this machine"


def check_machine() -> None:
    """Stops with one paragraph where Bazel cannot run."""
    if sys.version_info < (3, 9):  # noqa: UP036
        newer = shutil.which("python3") or sys.executable
        if Path(newer).resolve() != Path(sys.executable).resolve():
            os.execv(newer, [newer, "-I", "-S", "-B", *sys.argv])
        _stop(
            f"./bazelw needs Python 3.9 or newer; {sys.executable} is {sys.version.split()[0]}."
            " Put a newer python3 first on PATH."
        )
    system = os.uname()
    if (system.sysname, system.machine) != ("Linux", "x86_64"):
        _stop(
            "Bazel is built here for Linux on x86-64, and this machine is"
            f" {system.sysname} on {system.machine}. Work on an x86-64 Linux machine or container:"
            " `docker run --platform linux/amd64 ...`."
        )
    shell = os.environ.get("BAZEL_SH") or "/bin/bash"
    if not os.access(shell, os.X_OK):
        _stop(
            f"Bazel runs programs and tests by bash, and there is no {shell} here. Install it, as"
            " by `apk add bash` on Alpine, or name one: `BAZEL_SH=/PATH/bash ./bazelw info`."
        )


if __name__ == "__main__":
    check_machine()
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from bazel.launcher import main

    main.main(sys.argv[1:])
