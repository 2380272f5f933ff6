"""Prints file and sha256 of packages that are taken as they stand, as pip finds them on the index.

usage: find_sdists.py NAME==VERSION...

pip itself cannot say it: before it reports on an sdist it runs the setup.py in it.
"""

from __future__ import annotations

import json
import sys
import tempfile

from packaging.requirements import Requirement
from pip._internal.exceptions import PipError

from bazel.lock.pip_compile import IndexRepository


def find(repository: IndexRepository, pin: Requirement) -> dict[str, str]:
    """The .tar.gz of a pinned version (the one form that PEP 625 knows), else its pure wheel."""
    links = {found.link.filename: found.link for found in repository.candidates(pin)}
    for end in (".tar.gz", "-none-any.whl"):
        for file in sorted(links):
            if file.endswith(end):
                return {"file": file, "sha256": repository.sha256(links[file])}
    raise PipError(f"the index has no .tar.gz of {pin}, and no wheel for any machine")


def main() -> int:
    pins = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as cache:
        repository = IndexRepository([], cache)
        try:
            print(json.dumps({pin: find(repository, Requirement(pin)) for pin in pins}))
        except PipError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
