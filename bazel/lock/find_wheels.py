"""Prints which packages have a wheel for a machine, as pip finds them on the index: a JSON list.

usage: find_wheels.py MACHINE NAME==VERSION...

pip itself stops at the first that has none.
"""

from __future__ import annotations

import json
import sys
import tempfile

from packaging.requirements import Requirement
from pip._internal.exceptions import PipError
from pip._internal.models.target_python import TargetPython

from bazel.lock import target
from bazel.lock.pip_compile import IndexRepository
from bazel.platforms.table import PYTHON_VERSION


class MachineRepository(IndexRepository):
    """Finds what runs on a machine, not here."""

    def __init__(self, machine: str, cache: str) -> None:
        super().__init__(["--only-binary=:all:"], cache)
        major, minor = PYTHON_VERSION.split(".")
        self._finder = self.command._build_package_finder(
            options=self.options,
            session=self.session,
            target_python=TargetPython(
                platforms=target.platforms(machine),
                py_version_info=(int(major), int(minor)),
                abis=[target.ABI],
                implementation="cp",
            ),
        )


def main() -> int:
    machine, *pins = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as cache:
        try:
            repository = MachineRepository(machine, cache)
            print(json.dumps([pin for pin in pins if repository.candidates(Requirement(pin))]))
        except PipError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
