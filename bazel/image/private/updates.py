"""Which Debian packages of an image have a security update pending.

The index of the security suite is trusted by its signature alone, so it may come from any mirror;
see bazel/debian/private/archive.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser

from bazel.debian.private import archive, version
from bazel.image.private.contents import STATUS
from bazel.image.private.processes import UserError, say

SUITE = "bookworm-security"
_CURE = (
    "`DEBIAN_SECURITY_MIRROR=http://MIRROR/debian-security ./bazelw run //images:report` takes "
    "another archive."
)


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


@dataclass(frozen=True)
class Index:
    """The packages of a security suite, where they come from, and what is to be known of it."""

    origin: str
    packages: Sequence[archive.Package]
    notes: Sequence[str]


def is_status(path: str) -> bool:
    """Whether a file of an image tells of an installed package."""
    return path.startswith(STATUS) and not path.endswith(".md5sums")


def installed(status: bytes) -> Installed:
    """The package that a file of /var/lib/dpkg/status.d tells of."""
    fields = dict(HeaderParser().parsestr(status.decode(errors="replace")).items())
    return Installed(fields["Package"], fields["Version"], *archive.source_of(fields))


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


def fetch(mirrors: Sequence[str], suite: str, verifier: archive.Verifier) -> Index:
    """The index of the first archive that serves it; UserError says what all of them answered."""
    reasons = []
    for mirror in mirrors:
        notes: list[str] = []

        def report(line: str, notes: list[str] = notes) -> None:
            say(line)
            if line.startswith("note: "):
                notes.append(line.removeprefix("note: "))

        try:
            channel = archive.Channel(suite, ("main",))
            packages = archive.load_channel(mirror, channel, verifier, report=report)
        except archive.ArchiveError as error:
            reasons.append(str(error).replace(archive.CURE, "").strip())
            continue
        return Index(archive.shown(mirror), packages, notes)
    reasons = reasons or ["no mirror of Debian's security archive is known."]
    raise UserError(" ".join([*reasons, _CURE]))
