"""Tests of the archive reader against a local HTTP server.

testdata/ is a tiny archive whose InRelease was signed once, by gpg with
`--quick-gen-key ... ed25519 sign never` and `--clearsign` with two keys, at a
faked time of 2024-01-01. keyring.gpg has the first public key, as an older keyring
has not yet the newest one; the private keys are gone.
"""

import http.server
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.debian.archive import archive, resolve
from bazel.debian.archive.served import served

DATA = Path(__file__).parent / "testdata"
INRELEASE, PACKAGES = "dists/test/InRelease", "dists/test/main/binary-amd64/Packages.xz"
CHANNEL = archive.Channel("test", ("main",))


class _Server(http.server.ThreadingHTTPServer):
    """Serves a folder; answers 503 to the first `failures` requests."""

    failures = 0


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        if self.server.failures:
            self.server.failures -= 1
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "DEBIAN_SECURITY_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(archive, "_PAUSES_SECONDS", (0, 0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the archive that a test may damage."""
    return Path(shutil.copytree(DATA, tmp_path / "debian", copy_function=shutil.copyfile))


@pytest.fixture
def server(folder: Path) -> Iterator[_Server]:
    with served(folder.parent, _Server, _Handler) as server:
        yield server


@pytest.fixture
def mirror(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/debian"


@pytest.fixture
def verifier(folder: Path) -> archive.Verifier:
    gpgv = os.environ.get("GPGV") or shutil.which("gpgv")
    assert gpgv
    return archive.Verifier(str(Path(gpgv).absolute()), str(folder / "keyring.gpg"))


def test_signed_archive_is_read(mirror: str, verifier: archive.Verifier) -> None:
    said: list[str] = []
    packages = archive.load(mirror, [CHANNEL], verifier, report=said.append)
    by_name = {package.name: package for package in packages}
    assert sorted(by_name) == ["app", "libc", "libtls"]
    assert by_name["app"].depends == "libc (>= 2.36), libtls (= 3.0-1), editor | default-editor"
    assert by_name["libc"].lock_entry() == {
        "name": "libc",
        "version": "2.36-9",
        "arch": "amd64",
        "suite": "test",
        "pool": "main/l/libc/libc_2.36-9_amd64.deb",
        "sha256": "b" * 64,
        "size": 3400,
    }
    assert said == [f"fetching {mirror}/{INRELEASE}", f"fetching {mirror}/{PACKAGES}"]
    with pytest.raises(resolve.ResolutionError, match=r"needs editor \| default-editor"):
        resolve.resolve(resolve.Index(packages), ["app"])


def _flip(path: Path, text: bytes, by: bytes) -> None:
    whole = path.read_bytes()
    assert whole.count(text) == 1
    path.write_bytes(whole.replace(text, by))


@pytest.mark.parametrize(
    ("text", "by"), [(b"Suite: test", b"Suite: tesT"), (b" 372 main", b" 373 main")]
)
def test_changed_inrelease_is_refused(
    folder: Path, mirror: str, verifier: archive.Verifier, text: bytes, by: bytes
) -> None:
    _flip(folder / INRELEASE, text, by)
    with pytest.raises(archive.ArchiveError, match=r"does not carry a good signature") as error:
        archive.load(mirror, [CHANNEL], verifier)
    assert "BAD signature" in str(error.value)
    assert "DEBIAN_MIRROR=" in str(error.value)


def test_unsigned_inrelease_is_refused(
    folder: Path, mirror: str, verifier: archive.Verifier
) -> None:
    (folder / INRELEASE).write_text("Suite: test\nSHA256:\n")
    with pytest.raises(archive.ArchiveError, match=r"does not carry a good signature"):
        archive.load(mirror, [CHANNEL], verifier)


def test_text_around_the_signed_part_is_refused(
    folder: Path, mirror: str, verifier: archive.Verifier
) -> None:
    path = folder / INRELEASE
    path.write_bytes(b"Suite: evil\nSHA256:\n 00 1 x\n\n" + path.read_bytes() + b"\nSuite: evil\n")
    with pytest.raises(archive.ArchiveError, match="it is not one signed text"):
        archive.load(mirror, [CHANNEL], verifier)


def test_signature_of_another_key_is_refused(
    folder: Path, mirror: str, verifier: archive.Verifier
) -> None:
    (folder / "empty.gpg").touch()
    other = archive.Verifier(verifier.gpgv, str(folder / "empty.gpg"))
    with pytest.raises(archive.ArchiveError, match=r"does not carry a good signature"):
        archive.load(mirror, [CHANNEL], other)


def test_wrong_packages_are_refused(folder: Path, mirror: str, verifier: archive.Verifier) -> None:
    path = folder / PACKAGES
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(archive.ArchiveError, match="is not what the signed InRelease") as error:
        archive.load(mirror, [CHANNEL], verifier)
    assert "expected sha256 e26c9c84" in str(error.value)
    assert "got sha256 " in str(error.value)


def test_another_suites_inrelease_is_refused(
    folder: Path, mirror: str, verifier: archive.Verifier
) -> None:
    shutil.copytree(folder / "dists/test", folder / "dists/stable")
    with pytest.raises(archive.ArchiveError, match="is of suite test, not of stable"):
        archive.load(mirror, [archive.Channel("stable", ("main",))], verifier)


def test_component_that_is_not_there(mirror: str, verifier: archive.Verifier) -> None:
    with pytest.raises(
        archive.ArchiveError,
        match=r'^channel "test contrib": .* names no contrib/binary-amd64/Packages.xz',
    ):
        archive.load(mirror, [archive.Channel("test", ("contrib",))], verifier)
    with pytest.raises(archive.ChannelError, match=r"names no main/binary-arm64/Packages\.xz"):
        archive.load(mirror, [CHANNEL], verifier, "arm64")


def test_missing_suite(mirror: str, verifier: archive.Verifier) -> None:
    says = r'^channel "none main": .*dists/none/InRelease: .* no such file'
    with pytest.raises(archive.ChannelError, match=says):
        archive.load(mirror, [archive.Channel("none", ("main",))], verifier)


def test_fetch_is_tried_again(server: _Server, mirror: str, verifier: archive.Verifier) -> None:
    server.failures = 2
    assert len(archive.load(mirror, [CHANNEL], verifier)) == 3
    server.failures = 3
    with pytest.raises(archive.ArchiveError, match=r"cannot be fetched: .*503"):
        archive.load(mirror, [CHANNEL], verifier)


def test_next_mirror_is_taken(mirror: str, verifier: archive.Verifier) -> None:
    said: list[str] = []
    mirrors = ["http://user:secret@127.0.0.1:9/debian", mirror]
    assert len(archive.load_first(mirrors, [CHANNEL], verifier, said.append)) == 3
    assert any("cannot be fetched" in line for line in said)
    assert not any("secret" in line for line in said)
    with pytest.raises(archive.ArchiveError, match="no Debian mirror is known"):
        archive.load_first([], [CHANNEL], verifier, said.append)


def test_missing_gpgv(mirror: str, verifier: archive.Verifier) -> None:
    other = archive.Verifier("/nonexistent/gpgv", verifier.keyring)
    with pytest.raises(archive.ArchiveError, match="/nonexistent/gpgv cannot be run"):
        archive.load(mirror, [CHANNEL], other)


def test_security_suites_have_an_archive_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert archive.base_urls("http://m/debian/", "bookworm") == ["http://m/debian"]
    assert archive.base_urls("http://m/debian", "x-security") == ["http://m/debian-security"]
    monkeypatch.setenv("DEBIAN_SECURITY_MIRROR", "http://s/security/ http://t/security")
    assert archive.base_urls("http://m/debian", "x-security") == [
        "http://s/security",
        "http://t/security",
    ]


def test_the_next_security_archive_is_taken(
    folder: Path, mirror: str, verifier: archive.Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "dists/test").rename(folder / "dists/test-security")
    monkeypatch.setenv("DEBIAN_SECURITY_MIRROR", f"{mirror}/none {mirror}")
    said: list[str] = []
    channel = archive.Channel("test-security", ("main",))
    with pytest.raises(archive.ArchiveError, match="is of suite test, not of test-security"):
        archive.load("http://unused.invalid", [channel], verifier, report=said.append)
    assert "/none/dists/test-security/InRelease: the server has no such file" in said[1]


@pytest.mark.parametrize(
    ("text", "expired"),
    [("Thu, 01 Jan 2015 00:00:00 UTC", True), ("Fri, 01 Jan 2999 00:00:00 UTC", False)],
)
def test_expired_release_is_noted(text: str, expired: bool) -> None:
    release = archive.Release.parse(f"Suite: test\nValid-Until: {text}\nSHA256:\n", "base", "test")
    assert bool(release.expired) is expired


def test_a_mirror_past_its_time_is_refused_unless_allowed(
    mirror: str, verifier: archive.Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = "Thu, 01 Jan 2015 00:00:00 UTC"
    verify = archive.verify
    monkeypatch.setattr(archive, "verify", lambda *args: f"Valid-Until: {then}\n{verify(*args)}")
    monkeypatch.delenv(archive.ALLOW_EXPIRED, raising=False)
    with pytest.raises(archive.ExpiredError, match=f"was to be used until {then}") as error:
        archive.load(mirror, [CHANNEL], verifier)
    assert "`PADDLE_IMAGES_ALLOW_EXPIRED=1 ./bazelw" in str(error.value)

    said: list[str] = []
    monkeypatch.setenv(archive.ALLOW_EXPIRED, "1")
    assert archive.load(mirror, [CHANNEL], verifier, report=said.append)
    (note,) = [line for line in said if line.startswith("note:")]
    assert note.startswith(f"note: the mirror's test is a copy from before {then}")
    assert archive.load_first([mirror], [CHANNEL], verifier, said.append)
    monkeypatch.setenv(archive.ALLOW_EXPIRED, "0")
    with pytest.raises(archive.ExpiredError):
        archive.load_first([mirror], [CHANNEL], verifier, said.append)


def test_an_endless_index_is_cut(
    folder: Path, mirror: str, verifier: archive.Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / PACKAGES).open("ab") as file:
        file.write(bytes(1 << 20))
    with pytest.raises(archive.ArchiveError, match=r"Packages.xz is larger than 372 bytes"):
        archive.load(mirror, [CHANNEL], verifier)
    monkeypatch.setattr(archive, "_LARGEST_RELEASE", 100)
    with pytest.raises(archive.ArchiveError, match="InRelease is larger than 100 bytes"):
        archive.load(mirror, [CHANNEL], verifier)


@pytest.mark.parametrize("text", ["bookworm", ""])
def test_channel_without_component(text: str) -> None:
    with pytest.raises(archive.ArchiveError, match="names no component"):
        archive.Channel.parse(text)
