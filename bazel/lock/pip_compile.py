"""pip-compile, with each file's hash taken from the index page.

pip-tools asks the JSON API of PyPI for hashes. A mirror seldom has one, and then
pip-tools downloads every file of every release that it pins, for all platforms:
gigabytes. The index page has the same hashes, and pip has read it already.
"""

from __future__ import annotations

import sys

from packaging.requirements import Requirement
from pip._internal.exceptions import PipError
from pip._internal.models.candidate import InstallationCandidate
from pip._internal.models.link import Link
from pip._internal.req import InstallRequirement
from piptools.repositories import PyPIRepository
from piptools.scripts import compile as pip_compile

from bazel.lock import pip_install  # noqa: F401 (of a file's hashes the sha256 counts)


class IndexRepository(PyPIRepository):
    """Takes hashes from the index, and downloads only where it gives none."""

    def _get_file_hash(self, link: Link) -> str:
        if link.hash_name == "sha256" and link.hash:
            return f"sha256:{link.hash}"
        return super()._get_file_hash(link)

    def sha256(self, link: Link) -> str:
        """The sha256 of a file, 64 hexadecimal digits."""
        return self._get_file_hash(link).removeprefix("sha256:")

    def candidates(self, pin: Requirement) -> list[InstallationCandidate]:
        """What the index has of a pinned version."""
        return [
            candidate
            for candidate in self.find_all_candidates(pin.name)
            if pin.specifier.contains(str(candidate.version), prereleases=True)
        ]

    def _get_hashes_from_pypi(self, ireq: InstallRequirement) -> dict[str, str]:
        return {}


if __name__ == "__main__":
    pip_compile.PyPIRepository = IndexRepository  # type: ignore[attr-defined]
    try:
        pip_compile.cli()
    except PipError as error:  # pip-tools leaves these as tracebacks
        sys.exit(str(error))
