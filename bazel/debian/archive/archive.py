"""Reads a Debian archive: signed InRelease -> checked Packages -> packages.

Trust goes one way: gpgv verifies InRelease with the archive keyring, only the
text that gpgv hands back is read, and it holds the sha256 of every Packages
file, which in turn holds the sha256 of every package. The mirror and the way to
it need no trust.

Standard library only: the start of Bazel uses this before anything else exists.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import email.utils
import hashlib
import http.client
import lzma
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bazel.site import deb822, fetch, settings
from bazel.site.messages import Problem

Report = Callable[[str], None]

_PAUSES_SECONDS = (1, 3)  # before the second and the third attempt
_BEGIN, _END = b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----END PGP SIGNATURE-----"
# Set to 1 by who wants to use a mirror that is no longer brought up to date.
ALLOW_EXPIRED = "PADDLE_IMAGES_ALLOW_EXPIRED"
_LARGEST_RELEASE = 1 << 24  # some 0.25 MB in Debian
CURE = "Another mirror is taken by `DEBIAN_MIRROR=http://MIRROR/debian ./bazelw ...`."

shown = settings.without_credentials


class ArchiveError(Problem):
    """What went wrong, where, and what mends it; fit to be shown to a user."""


class NotFoundError(ArchiveError):
    """The server is there and does not have the file."""


class ExpiredError(ArchiveError):
    """The mirror's copy of the suite is older than its archive says it may be used."""


class ChannelError(ArchiveError):
    """The mirror does not have the channel; the message begins with its name."""


@dataclasses.dataclass(frozen=True)
class Verifier:
    """The programs and keys that decide which archive is Debian's."""

    gpgv: str
    keyring: str


@dataclasses.dataclass(frozen=True)
class Channel:
    """A suite and the components to read of it, as `bookworm main` in a spec."""

    suite: str
    components: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> Channel:
        suite, _, components = text.strip().partition(" ")
        if not components:
            raise ArchiveError(f'channel "{text}" names no component; write "SUITE main".')
        return Channel(suite, tuple(components.split()))

    def __str__(self) -> str:
        return f'channel "{" ".join((self.suite, *self.components))}"'


@dataclasses.dataclass(frozen=True)
class Package:
    """A binary package of a Packages file; relations are kept as they are written."""

    name: str
    version: str
    arch: str
    suite: str
    pool: str  # the path below pool/
    sha256: str
    size: int
    priority: str
    depends: str  # Pre-Depends and Depends
    provides: str
    conflicts: str  # Conflicts and Breaks
    source: tuple[str, str]  # the package that it is built from: name, version

    def lock_entry(self) -> dict[str, object]:
        """The fields of a lock line."""
        names = ("name", "version", "arch", "suite", "pool", "sha256", "size")
        return {name: getattr(self, name) for name in names}


class Fetcher:
    """Gets whole files; tries again where that can help."""

    def __init__(self) -> None:
        self._client = fetch.Client(settings.ca_bundle(), debian=True)

    def get(self, url: str, limit: int) -> bytes:
        for pause in (*_PAUSES_SECONDS, None):
            try:
                return b"".join(self._client.get(url, limit))
            except FileNotFoundError as error:
                raise NotFoundError(f"{shown(url)}: the server has no such file. {CURE}") from error
            except fetch.TooLargeError as error:
                raise ArchiveError(
                    f"{shown(url)} is larger than {limit} bytes, which it has at most; nothing of"
                    f" it was used. {CURE}"
                ) from error
            except (OSError, http.client.HTTPException) as error:
                problem = error
            if isinstance(problem, PermissionError):
                break
            if pause is not None:
                time.sleep(pause)
        raise ArchiveError(
            f"{shown(url)} cannot be fetched: {problem or type(problem).__name__}. Check the "
            f"network, the proxy and the CA bundle. {CURE}"
        ) from problem


def base_urls(mirror: str, suite: str) -> list[str]:
    """The archives that hold the suite, best first: security suites have ones of their own."""
    mirror = mirror.rstrip("/")
    if not suite.endswith("-security"):
        return [mirror]
    own = os.environ.get("DEBIAN_SECURITY_MIRROR", "").split()
    return [url.rstrip("/") for url in own] or [mirror + "-security"]


def load_first(
    mirrors: Sequence[str],
    channels: Sequence[Channel],
    verifier: Verifier,
    report: Report,
    arch: str = "amd64",
) -> list[Package]:
    """Returns what the first mirror that serves all of the channels has."""
    if not mirrors:
        raise ArchiveError(f"no Debian mirror is known: apt has none. {CURE}")
    return _first(mirrors, lambda mirror: load(mirror, channels, verifier, arch, report), report)


def _first(
    urls: Sequence[str], read: Callable[[str], list[Package]], report: Report
) -> list[Package]:
    for url in urls[:-1]:
        try:
            return read(url)
        except ArchiveError as error:
            report(f"note: {error}")
    return read(urls[-1])


def load(
    mirror: str,
    channels: Sequence[Channel],
    verifier: Verifier,
    arch: str = "amd64",
    report: Report = lambda line: None,
) -> list[Package]:
    """Returns all packages of the channels, each checked back to the signature."""
    packages: list[Package] = []
    for channel in channels:

        def read(archive: str, channel: Channel = channel) -> list[Package]:
            return load_channel(archive, channel, verifier, arch, report)

        packages += _first(base_urls(mirror, channel.suite), read, report)
    return packages


def load_channel(
    archive: str,
    channel: Channel,
    verifier: Verifier,
    arch: str = "amd64",
    report: Report = lambda line: None,
) -> list[Package]:
    """Returns the packages of a channel; `archive` is the URL that its `dists` is in.

    A mirror that is past its Valid-Until may hide updates: it is refused unless the
    environment's PADDLE_IMAGES_ALLOW_EXPIRED=1 says otherwise.
    """
    fetcher = Fetcher()
    packages: list[Package] = []
    base = f"{archive}/dists/{channel.suite}"
    report(f"fetching {shown(base)}/InRelease")
    try:
        signed = fetcher.get(f"{base}/InRelease", _LARGEST_RELEASE)
    except NotFoundError as error:
        raise ChannelError(f"{channel}: {error}") from error
    text = verify(signed, verifier, f"{shown(base)}/InRelease")
    release = Release.parse(text, base, channel.suite)
    if release.expired:
        if os.environ.get(ALLOW_EXPIRED, "0") in ("", "0"):
            raise ExpiredError(
                f"{shown(base)}/InRelease was to be used until {release.expired} (its Valid-Until):"
                " the mirror is no longer brought up to date, or somebody holds updates back."
                f" {CURE} Where that is meant, as on a frozen mirror: `{ALLOW_EXPIRED}=1 ./bazelw"
                " ...`."
            )
        report(
            f"note: the mirror's {channel.suite} is a copy from before {release.expired} (its "
            "Valid-Until), as frozen mirrors have; what is newer is not there"
        )
    for component in channel.components:
        path = f"{component}/binary-{arch}/Packages.xz"
        if path not in release.files:
            raise ChannelError(f"{channel}: {shown(base)}/InRelease names no {path}.")
        report(f"fetching {shown(base)}/{path}")
        index = lzma.decompress(release.fetch(path, fetcher)).decode()
        packages += parse_packages(index, channel.suite)
    return packages


def verify(signed: bytes, verifier: Verifier, origin: str) -> str:
    """Returns the text that a key of the keyring has signed, and nothing else.

    As in apt, one good signature is enough: a suite is signed with newer keys
    too, which an older keyring does not have.
    """
    whole = signed.strip()
    sound = whole.startswith(_BEGIN) and whole.endswith(_END) and whole.count(_BEGIN) == 1
    says = "it is not one signed text"
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as directory:
        inrelease, text = Path(directory, "InRelease"), Path(directory, "Release")
        inrelease.write_bytes(signed)
        command = [verifier.gpgv, "--homedir", directory, "--keyring", verifier.keyring]
        command += ["--status-fd", "1", "--output", str(text), str(inrelease)]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
            )
        except OSError as error:
            raise ArchiveError(f"{verifier.gpgv} cannot be run: {error.strerror}.") from error
        states = {line.split()[1] for line in done.stdout.splitlines() if line[:9] == "[GNUPG:] "}
        if sound and "GOODSIG" in states and "BADSIG" not in states and text.exists():
            return text.read_text("utf-8")
    if sound:
        says = "gpgv says:\n" + done.stderr.strip()
    raise ArchiveError(
        f"{origin} does not carry a good signature of the Debian archive, so nothing of it was "
        f"used. {CURE} {says}"
    )


@dataclasses.dataclass(frozen=True)
class Release:
    """What a signed InRelease says about the files of its suite."""

    base: str
    by_hash: bool
    expired: str  # since when, where it is
    files: dict[str, tuple[str, int]]  # path -> sha256, size

    @staticmethod
    def parse(text: str, base: str, suite: str) -> Release:
        fields = next(deb822.stanzas(text), {})
        if suite not in (fields.get("suite"), fields.get("codename")):
            raise ArchiveError(
                f"{shown(base)}/InRelease is of suite {fields.get('codename')}, not of {suite}: "
                f"the mirror serves the wrong file. {CURE}"
            )
        files = {}
        for line in fields.get("sha256", "").splitlines():
            if line.strip():
                sha256, size, path = line.split()
                files[path] = sha256, int(size)
        until = _date(fields.get("valid-until"))
        expired = until is not None and until < datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017 (Python 3.9)
        return Release(
            base=base,
            by_hash=fields.get("acquire-by-hash") == "yes",
            expired=fields["valid-until"] if expired else "",
            files=files,
        )

    def fetch(self, path: str, fetcher: Fetcher) -> bytes:
        """Returns a file of the suite, checked against the signed hash."""
        sha256, size = self.files[path]
        body: bytes | None = None
        if self.by_hash:  # whole even while the mirror is being updated
            folder = path.rpartition("/")[0]
            with contextlib.suppress(ArchiveError):  # mirrors may leave these out
                body = fetcher.get(f"{self.base}/{folder}/by-hash/SHA256/{sha256}", size)
        if body is None:
            body = fetcher.get(f"{self.base}/{path}", size)
        got = hashlib.sha256(body).hexdigest()
        if got != sha256:
            raise ArchiveError(
                f"{shown(self.base)}/{path} is not what the signed InRelease says (wrong bytes, "
                f"or a mirror in the middle of an update):\n"
                f"  expected sha256 {sha256}, {size} bytes\n"
                f"  got sha256      {got}, {len(body)} bytes\n"
                f"Nothing of it was used. Try again in some minutes. {CURE}"
            )
        return body


def parse_packages(text: str, suite: str) -> Iterator[Package]:
    """Yields the packages of a Packages file."""
    for fields in deb822.stanzas(text):
        yield Package(
            name=fields["package"],
            version=fields["version"],
            arch=fields["architecture"],
            suite=suite,
            pool=fields["filename"].removeprefix("pool/"),
            sha256=fields["sha256"],
            size=int(fields["size"]),
            priority=fields.get("priority", "optional"),
            depends=_join(fields.get("pre-depends"), fields.get("depends")),
            provides=fields.get("provides", ""),
            conflicts=_join(fields.get("conflicts"), fields.get("breaks")),
            source=source_of(fields),
        )


def source_of(fields: Mapping[str, str]) -> tuple[str, str]:
    """Name and version of a binary package's source, by its deb822 fields (Debian Policy 5.6.1).

    The field is left out where both are the same, and its version where only that is.
    """
    name, _, version = fields.get("source", "").partition(" ")
    return name or fields["package"], version.strip("()") or fields["version"]


def _join(*relations: str | None) -> str:
    return ", ".join(filter(None, relations))


def _date(text: str | None) -> datetime.datetime | None:
    # "Sat, 11 Jul 2026 09:01:02 UTC", which is GMT and parses as naive.
    if not text:
        return None
    return email.utils.parsedate_to_datetime(text).replace(tzinfo=datetime.timezone.utc)  # noqa: UP017
