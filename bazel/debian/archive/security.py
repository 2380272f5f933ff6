"""The suite of Debian's security updates, from the first archive that serves it.

It is trusted by its signature alone, as all of archive.py, so it may come from any mirror.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bazel.debian.archive import archive

_CURE = (
    "Another archive is taken by "
    "`DEBIAN_SECURITY_MIRROR=http://MIRROR/debian-security ./bazelw run ...`."
)


@dataclass(frozen=True)
class Index:
    """The packages of the suite, where they come from, and what is to be known of it."""

    origin: str
    packages: Sequence[archive.Package]
    notes: Sequence[str]


def fetch(
    archives: Sequence[str],
    channel: archive.Channel,
    verifier: archive.Verifier,
    report: archive.Report,
    arch: str = "amd64",
) -> Index:
    """Reads the suite; ArchiveError says what all of the archives answered."""
    reasons = []
    for url in archives:
        notes: list[str] = []

        def noted(line: str, notes: list[str] = notes) -> None:
            report(line)
            if line.startswith("note: "):
                notes.append(line[len("note: ") :])

        try:
            packages = archive.load_channel(url, channel, verifier, arch, noted)
        except archive.ArchiveError as error:
            reasons.append(str(error).replace(archive.CURE, "").strip())
            continue
        return Index(archive.shown(url), packages, notes)
    reasons = reasons or ["no mirror of Debian's security archive is known."]
    raise archive.ArchiveError(" ".join([*reasons, _CURE]))
