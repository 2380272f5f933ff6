"""Which Debian packages of an image have a security update pending."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bazel.debian.archive import archive, version
from bazel.image.attest.debian import STATUS
from bazel.site import deb822


@dataclass(frozen=True)
class Installed:
    """A Debian package of an image, with the source that it was built from."""

    name: str
    version: str
    source: str
    source_version: str


@dataclass(frozen=True)
class Update:
    """A package that the security suite has in a newer version."""

    source: str
    name: str
    inside: str
    pending: str


def is_status(path: str) -> bool:
    """Whether a file of an image tells of an installed package."""
    return path.startswith(STATUS) and not path.endswith(".md5sums")


def installed(status: bytes) -> Installed:
    """The package that a file of /var/lib/dpkg/status.d tells of."""
    fields = next(deb822.stanzas(status.decode(errors="replace")), {})
    return Installed(fields["package"], fields["version"], *archive.source_of(fields))


def _newest(versions: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The newest version of each name."""
    found: dict[str, str] = {}
    for name, its in versions:
        if name not in found or version.compare(found[name], its) < 0:
            found[name] = its
    return found


def pending(inside: Iterable[Installed], index: Iterable[archive.Package]) -> list[Update]:
    """The updates for what is inside, by source and name.

    Like is compared with like: a binary package with that of its name, whose version may differ
    from the source's, and where the suite has none of its name, its source with that source.
    """
    index = list(index)
    binaries = _newest((package.name, package.version) for package in index)
    sources = _newest(package.source for package in index)
    found = set()
    for package in inside:
        mine, its = package.version, binaries.get(package.name)
        if its is None:
            mine, its = package.source_version, sources.get(package.source)
        if its is not None and version.compare(mine, its) < 0:
            found.add(Update(package.source, package.name, mine, its))
    return sorted(found, key=lambda update: (update.source, update.name))
