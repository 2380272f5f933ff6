"""Pending security updates: what is newer, by Debian's order."""

from __future__ import annotations

from bazel.debian.archive import archive
from bazel.image.report import updates
from bazel.image.report.updates import Installed, Update, pending


def _packages(*stanzas: str) -> list[archive.Package]:
    common = "Architecture: amd64\nFilename: pool/x.deb\nSHA256: 0\nSize: 1\n"
    return list(archive.parse_packages("\n".join(s + "\n" + common for s in stanzas), "security"))


def _installed(*fields: str) -> Installed:
    return updates.installed("\n".join(fields).encode())


def test_what_is_older_is_pending_by_debians_order() -> None:
    index = _packages(
        "Package: libssl3\nSource: openssl\nVersion: 3.0.20-1~deb12u10",
        "Package: bash\nVersion: 5.2-1~rc1",
        "Package: other\nVersion: 9",
    )
    inside = [
        _installed("Package: libssl3", "Version: 3.0.20-1~deb12u9", "Source: openssl"),
        _installed("Package: bash", "Version: 5.2-1"),
        _installed("Package: tzdata", "Version: 1"),
    ]
    assert pending(inside, index) == [
        Update("openssl", "libssl3", "3.0.20-1~deb12u9", "3.0.20-1~deb12u10")
    ]


def test_the_newest_of_several_versions_counts() -> None:
    index = _packages(*(f"Package: a\nVersion: 1-1+deb12u{n}" for n in (9, 10, 2)))
    (update,) = pending([_installed("Package: a", "Version: 1-1")], index)
    assert update.pending == "1-1+deb12u10"


def test_a_binary_version_of_its_own_is_not_held_against_the_sources() -> None:
    # gcc-defaults and binNMUs number binaries apart: 5.2-2+b13 is of source 5.2-2.
    index = _packages("Package: bash\nSource: bash (5.2-2)\nVersion: 5.2-2+b13")
    assert not pending([_installed("Package: bash", "Version: 5.2-2+b13")], index)
    older = _installed("Package: bash", "Source: bash (5.2-2)", "Version: 5.2-2+b7")
    assert pending([older], index) == [Update("bash", "bash", "5.2-2+b7", "5.2-2+b13")]


def test_a_package_that_the_suite_lacks_is_compared_by_its_source() -> None:
    index = _packages("Package: libnew\nSource: lib (2.0-1)\nVersion: 1:2.0-1")
    old = _installed("Package: libold", "Source: lib (1.9-1)", "Version: 1:1.9-1")
    assert pending([old], index) == [Update("lib", "libold", "1.9-1", "2.0-1")]
    equal = _installed("Package: libold", "Source: lib (2.0-1)", "Version: 0.1")
    assert not pending([equal], index)
