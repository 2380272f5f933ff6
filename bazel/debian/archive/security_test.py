"""Where the index of security updates comes from: any archive, by Debian's signature alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.debian.archive import archive, security
from bazel.debian.archive.served import url_of

DATA = Path(__file__).parent / "testdata"
CHANNEL = archive.Channel("test", ("main",))


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A signed archive on loopback; archive_test.py says how it was made."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(archive, "_PAUSES_SECONDS", (0, 0))
    with url_of(DATA) as url:
        yield url


def fetch(urls: list[str], keyring: Path = DATA / "keyring.gpg") -> security.Index:
    verifier = archive.Verifier(os.environ["GPGV"], str(keyring.absolute()))
    return security.fetch(urls, CHANNEL, verifier, print)


def test_the_index_is_of_the_first_archive_that_serves_it(mirror: str) -> None:
    index = fetch([f"{mirror}/absent", mirror])
    assert index.origin == mirror
    assert {package.name for package in index.packages} == {"app", "libc", "libtls"}


def test_no_archive_is_told_with_what_mends_it(mirror: str) -> None:
    with pytest.raises(archive.ArchiveError, match=r"absent.*DEBIAN_SECURITY_MIRROR=http") as told:
        fetch([f"{mirror}/absent"])
    assert "`DEBIAN_MIRROR=" not in str(told.value)
    with pytest.raises(archive.ArchiveError, match="DEBIAN_SECURITY_MIRROR=http"):
        fetch([])


def test_an_archive_without_a_good_signature_is_not_believed(mirror: str, tmp_path: Path) -> None:
    empty = tmp_path / "keyring.gpg"
    empty.touch()
    with pytest.raises(archive.ArchiveError, match="good signature"):
        fetch([mirror], empty)
