"""Pending security updates: what is newer, by Debian's order, and where the index comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.debian.private import archive
from bazel.debian.private.served import url_of
from bazel.image.private import updates
from bazel.image.private.processes import UserError
from bazel.image.private.updates import Installed, Update, pending

_DATA = Path("bazel/debian/private/testdata")


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


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A signed archive on loopback; archive_test.py says how it was made."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(archive, "_PAUSES_SECONDS", (0, 0))
    with url_of(_DATA) as url:
        yield url


def _verifier(keyring: str = "keyring.gpg") -> archive.Verifier:
    return archive.Verifier(os.environ["GPGV"], str((_DATA / keyring).absolute()))


def test_the_index_is_of_the_first_archive_that_serves_it(mirror: str) -> None:
    index = updates.fetch([f"{mirror}/absent", mirror], "test", _verifier())
    assert index.origin == mirror
    inside = [
        _installed("Package: libtls", "Version: 3.0-1~a"),
        _installed("Package: app", "Version: 2.0-1"),
    ]
    assert [update.name for update in pending(inside, index.packages)] == ["libtls"]


def test_no_archive_is_told_with_what_mends_it(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent.*DEBIAN_SECURITY_MIRROR=http") as told:
        updates.fetch([f"{mirror}/absent"], "test", _verifier())
    assert "`DEBIAN_MIRROR=" not in str(told.value)
    with pytest.raises(UserError, match="DEBIAN_SECURITY_MIRROR=http"):
        updates.fetch([], "test", _verifier())


def test_an_archive_without_a_good_signature_is_not_believed(mirror: str, tmp_path: Path) -> None:
    empty = tmp_path / "keyring.gpg"
    empty.touch()
    verifier = archive.Verifier(os.environ["GPGV"], str(empty))
    with pytest.raises(UserError, match="good signature"):
        updates.fetch([mirror], "test", verifier)
