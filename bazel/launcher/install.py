"""Brings the locked Bazel up in a folder of its own: download, unpack, relocate.

The folder appears whole or not at all: it is made beside its final place and
renamed at the end, under a lock that makes two starts at once cooperate.
"""

from __future__ import annotations

import errno
import io
import json
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from bazel.debian.archive import archive, deb
from bazel.launcher import contents, modules, newest
from bazel.site import fetch
from bazel.site.messages import Problem, Say
from bazel.site.settings import Site, without_credentials

_PROJECT = Path(__file__).resolve().parents[2]

Package = dict[str, Any]  # an entry of the lock

_LIB = "usr/lib/x86_64-linux-gnu"
_LOADER = f"{_LIB}/ld-linux-x86-64.so.2"
_PIP_INDEX = "usr/lib/python3/dist-packages/pip/_internal/models/index.py"
_NPM_INDEX = "usr/share/nodejs/registry-url/index.js"

# The parts of the packages that are used; the rest is not unpacked.
_KEPT = re.compile(
    r"usr/bin/(bazel|gpgv|patchelf)|usr/share/keyrings/.*|lib/x86_64-linux-gnu/[^/]*|usr/libexec/.*|usr/share/(bazel|java|ca-certificates)/.*"
    rf"|{_LIB}/[^/]*|{_LIB}/bazel/.*|usr/lib/jvm/.*|etc/java-[^/]*/.*"
    rf"|{re.escape(_PIP_INDEX)}|{re.escape(_NPM_INDEX)}"
)
_DROPPED = re.compile(r"usr/lib/jvm/[^/]*/(legal|man|docs)(/.*)?")

# Packages of debian_lock.json that check Debian's signature, where the machine has
# nothing that does. Bookworm's pool keeps them.
VERIFIER = (
    "debian-archive-keyring",
    "gpgv",
    "libbz2-1.0",
    "libc6",
    "libgcrypt20",
    "libgpg-error0",
    "zlib1g",
)

# Packages that hold the default registries and the CAs.
_FOR_SITE = ("ca-certificates", "node-registry-url", "python3-pip")

# Room that packages and unpacked files take, as a multiple of the packages' size.
_ROOM = 3.5

_DAYS_KEPT = 30  # of a Bazel that nothing starts any more


def install(prefix: Path, lock: dict[str, Any], site: Site, say: Say, with_bazel: bool) -> None:
    """Makes `prefix` unless it is there and whole.

    Without Bazel it holds only bazelisk and what names the site.
    """
    cache = prefix.parent
    with contents.exclusive(cache, say):
        if not contents.damaged(prefix):
            return
        for stale in cache.glob("new-*"):
            if stale.is_dir():  # of a start that was killed
                shutil.rmtree(stale)
            else:
                stale.unlink()
        contents.put_away(prefix, cache / f"new-{prefix.name}", say)
        for place in {_place(other) for other in cache.glob("bazel*-*")} - {cache, None}:
            say(
                f"this cache was moved or copied from {place}; Bazel is installed anew for it",
                False,
            )
        started = time.monotonic()
        build = cache / f"new-{os.getpid()}"
        try:
            packages = _install(prefix, build, cache / "downloads", lock, site, say, with_bazel)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise _full(cache, _chosen(lock["packages"], with_bazel)) from error
        finally:
            shutil.rmtree(build, ignore_errors=True)  # there only if something failed
        shutil.rmtree(cache / "downloads", ignore_errors=True)
        for other in cache.glob("bazel*-*"):
            if other.stat().st_mtime < time.time() - _DAYS_KEPT * 24 * 3600:
                shutil.rmtree(other, ignore_errors=True)
        what = f"Bazel {lock['bazel']['version']}" if with_bazel else "bazelisk"
        megabytes = sum(p["size"] for p in packages) / 1e6
        seconds = time.monotonic() - started
        many = f"{len(packages)} packages, {megabytes:.0f} MB, {seconds:.0f} s"
        say(f"{what} ready (first start: {many})", False)


def _place(prefix: Path) -> Path | None:
    """The cache that a Bazel was installed in."""
    try:
        return Path((prefix / "place").read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        return None


def _install(
    prefix: Path,
    build: Path,
    downloads: Path,
    lock: dict[str, Any],
    site: Site,
    say: Say,
    with_bazel: bool,
) -> list[Package]:
    downloads.mkdir(exist_ok=True)
    packages = _chosen(lock["packages"], with_bazel)
    if shutil.disk_usage(downloads).free < _needed(packages):
        raise _full(downloads, packages)
    build.mkdir()
    try:
        _fetch_packages(packages, build, downloads, site, say)
    except fetch.GoneError as gone:
        if os.environ.get("PADDLE_IMAGES_LOCKED", "0") not in ("", "0"):
            raise Problem(
                f"{gone} of Bazel's lock is not on the mirror any more, and PADDLE_IMAGES_LOCKED"
                " forbids to take what the mirror has now. Where it is allowed, take that into the"
                " lock and commit it: `PADDLE_IMAGES_LOCKED=0 ./bazelw run //:lock launcher`. Or"
                " name a mirror that still has it: `DEBIAN_MIRROR=http://MIRROR/debian ./bazelw"
                " info`."
            ) from gone
        say(f"{gone} is not on the mirror any more; resolving what the mirror has now", False)
        shutil.rmtree(build)
        build.mkdir()
        with tempfile.TemporaryDirectory(prefix="new-", dir=build.parent) as folder:
            own = newest.host_verifier()
            verifier = own or _locked_verifier(Path(folder), downloads, site)
            again = newest.resolve_again(lock["packages"], site, verifier, say, with_bazel)
        packages = _chosen(again, with_bazel)
        try:
            _fetch_packages(packages, build, downloads, site, say)
        except fetch.GoneError as twice:
            raise Problem(
                f"{twice} is in the mirror's index but not on the mirror, which is perhaps being"
                " updated. Try again in some minutes: `./bazelw info`."
            ) from twice
    if with_bazel:
        _relocate(build, prefix)
        modules.write_registry(build, prefix, {p["name"]: p["version"] for p in packages})
    _write_ca_certificates(build)
    defaults = _write_defaults(build)
    _fetch_bazelisk(lock["npm"], build, downloads, site.completed(build, defaults))
    (build / "packages.json").write_text(json.dumps(packages, indent=1))
    place = str(prefix.parent)
    (build / "place").write_text(place, encoding="utf-8", errors="surrogateescape")
    contents.record(build)
    os.sync()  # the rename must not reach the disk before the files
    build.rename(prefix)
    return packages


def _chosen(packages: list[Package], with_bazel: bool) -> list[Package]:
    return [p for p in packages if with_bazel or p["name"] in _FOR_SITE]


def _needed(packages: list[Package]) -> int:
    return int(_ROOM * sum(p["size"] for p in packages))


def _full(folder: Path, packages: list[Package]) -> Problem:
    free = shutil.disk_usage(folder).free
    return Problem(
        f"the disk is full: Bazel needs {_needed(packages) // 10**6} MB in {folder}, which has"
        f" {free // 10**6} MB free (or a quota or file size limit forbids it). Free some, or use"
        " another folder: `PADDLE_IMAGES_CACHE=/FOLDER ./bazelw info`. What was downloaded so far"
        " is kept."
    )


def _fetch_packages(
    packages: list[Package], build: Path, downloads: Path, site: Site, say: Say
) -> None:
    total = sum(p["size"] for p in packages) // 10**6
    progress = fetch.Progress()
    unpacked: list[str] = []

    def done(item: fetch.Item, path: Path) -> None:
        unpack(path, build)
        unpacked.append(item.name)
        count = f"{len(unpacked)} of {len(packages)} packages"
        say(f"Bazel: {count}, {progress.arrived // 10**6} of {total} MB", True)

    items = _items(packages, site)
    fetch.fetch_all(items, downloads, site.ca_bundle, done, progress, debian=True)


def _items(packages: list[Package], site: Site) -> list[fetch.Item]:
    return [
        fetch.Item(
            name=f"{p['name']} {p['version']}",
            urls=tuple(f"{mirror}/pool/{p['pool']}" for mirror in site.debian_mirrors),
            digest=p["sha256"],
            size=p["size"],
            setting="DEBIAN_MIRROR=http://MIRROR/debian",
        )
        for p in packages
    ]


def _locked_verifier(folder: Path, downloads: Path, site: Site) -> archive.Verifier:
    """gpgv and Debian's keys out of debian_lock.json, unpacked in `folder`."""
    lock = json.loads((_PROJECT / "debian_lock.json").read_bytes())
    here = [p for p in lock["packages"] if p["arch"] in ("all", "amd64")]
    items = _items([p for p in here if p["name"] in VERIFIER], site)

    def done(_: fetch.Item, path: Path) -> None:
        unpack(path, folder)

    try:
        fetch.fetch_all(items, downloads, site.ca_bundle, done, fetch.Progress(), debian=True)
    except fetch.GoneError as gone:
        raise Problem(
            "the mirror does not have the locked packages any more, and what it has now cannot be"
            f" verified: gpgv or Debian's archive keyring is missing here, and {gone} on the"
            " mirror. Install what checks Debian's signature (`apt-get install gpgv"
            " debian-archive-keyring`), or name a keyring by DEBIAN_KEYRING."
        ) from gone
    libraries = f"{folder}/lib/x86_64-linux-gnu"
    words = [f"{libraries}/ld-linux-x86-64.so.2", "--library-path", f"{libraries}:{folder / _LIB}"]
    program = folder / "run"
    program.write_text(f'#!/bin/sh\nexec {shlex.join([*words, f"{folder}/usr/bin/gpgv"])} "$@"\n')
    program.chmod(0o755)
    keyring = "usr/share/keyrings/debian-archive-keyring.gpg"
    return archive.Verifier(str(program), os.environ.get("DEBIAN_KEYRING") or str(folder / keyring))


def unpack(package: Path, root: Path) -> None:
    """Unpacks the used part of a .deb; its bytes are checked already.

    Absolute links become relative, so that they stay in `root`.
    """
    with package.open("rb") as file, deb.open_tar(file, "data", package.name) as tar:
        for member in tar:
            name = posixpath.normpath(member.name)
            if not _KEPT.fullmatch(name) or _DROPPED.fullmatch(name):
                continue
            path = root / name
            (path if member.isdir() else path.parent).mkdir(parents=True, exist_ok=True)
            if member.issym():
                target = member.linkname
                if target.startswith("/"):
                    target = posixpath.relpath(target, "/" + posixpath.dirname(name))
                path.symlink_to(target)
            elif member.islnk():
                os.link(root / posixpath.normpath(member.linkname), path)
            elif member.isreg():
                with path.open("wb") as out:
                    shutil.copyfileobj(tar.extractfile(member) or io.BytesIO(), out, 1 << 20)
                path.chmod(0o755 if member.mode & 0o100 else 0o644)


def _relocate(build: Path, prefix: Path) -> None:
    """Makes the programs run from `prefix` on the packages' own libraries."""
    machines = [p for p in (build / "usr/lib/jvm").iterdir() if p.is_dir() and not p.is_symlink()]
    (java,) = machines
    (build / "java").symlink_to(java.relative_to(build))
    programs = [build / "usr/bin/bazel", *(build / "usr/libexec").glob("*/bazel/*")]
    for program in programs:
        _patch(program, build, prefix, [build / _LIB])
    for program in (java / "bin/java", java / "lib/jspawnhelper"):
        _patch(program, build, prefix, [java / "lib", build / _LIB])
    _take_paths_as_bytes(java / "bin/java", build / _LIB / "libc.so.6")
    listing = build / "usr/share/bazel/bazel_classpath_debian_depends.txt"
    jars = _class_path(build, listing.read_text().split())
    listing.write_bytes(os.fsencode("".join(f"{prefix}/{jar}\n" for jar in jars)))


def _take_paths_as_bytes(java: Path, libc: Path) -> None:
    """Lets Bazel work in folders of any name, whatever the user's locale.

    Its server keeps a path as Latin-1, a letter for each byte, and does not find its
    workspace where Java decodes arguments in another way. Java asks glibc, which has
    Latin-1 only where a locale of it was made; in this copy the locale C is one.
    """
    old, new = b"\0ANSI_X3.4-1968\0", b"\0ISO-8859-1\0\0\0\0\0"
    library = libc.read_bytes()
    if library.count(old) == 1:  # the name of C's encoding, and nothing else
        libc.write_bytes(library.replace(old, new))
    java.rename(java.with_name("java.bin"))
    java.write_text('#!/bin/sh\nLC_ALL=C exec "${0%/*}/java.bin" "$@"\n')
    java.chmod(0o755)


def _patch(program: Path, build: Path, prefix: Path, libraries: list[Path]) -> None:
    relative = [os.path.relpath(folder, program.parent) for folder in libraries]
    rpath = ":".join(f"$ORIGIN/{folder}" for folder in relative)
    command: list[str | Path] = [build / _LOADER, "--library-path", build / _LIB]
    command += [build / "usr/bin/patchelf", "--set-interpreter", prefix / _LOADER]
    # Not a RUNPATH: the libraries that the program's libraries need count too.
    command += ["--force-rpath", "--set-rpath", rpath, program]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except PermissionError as error:
        raise Problem(
            f"programs may not be run from {prefix.parent} (a noexec mount?). Use another folder:"
            " `PADDLE_IMAGES_CACHE=/FOLDER ./bazelw info`."
        ) from error
    except subprocess.CalledProcessError as error:
        raise Problem(f"patchelf failed on {program}: {error.stderr.decode()}") from error


def _class_path(build: Path, jars: list[str]) -> list[str]:
    """The jars, and those that their manifests name, as far as they are there."""
    found: dict[Path, str] = {}  # real path -> path below build
    todo = [jar.lstrip("/") for jar in jars]
    while todo:
        jar = todo.pop(0)
        real = (build / jar).resolve()
        if real in found or not real.exists():
            continue
        found[real] = jar
        with zipfile.ZipFile(real) as archive:
            if "META-INF/MANIFEST.MF" not in archive.namelist():
                continue
            manifest = archive.read("META-INF/MANIFEST.MF").decode()
        manifest = manifest.replace("\r\n", "\n").replace("\n ", "")
        match = re.search(r"^Class-Path: (.*)$", manifest, re.M)
        for other in match[1].split() if match else []:
            todo.append(posixpath.normpath(posixpath.join("/", jar, "..", other)).lstrip("/"))
    return list(found.values())


def _write_ca_certificates(build: Path) -> None:
    """The bundle for machines that have none: Mozilla's CAs as Debian packages them."""
    files = sorted((build / "usr/share/ca-certificates").glob("*/*.crt"))
    (build / "ca-certificates.crt").write_bytes(b"".join(file.read_bytes() for file in files))


def _write_defaults(build: Path) -> dict[str, str]:
    """The registries that pip and npm use unless told otherwise, from their own sources."""
    found = {}
    for name, path, pattern, suffix in (
        ("PYPI_INDEX", _PIP_INDEX, r'^PyPI = PackageIndex\(\s*"([^"]+?)/?"', "/simple"),
        ("NPM_REGISTRY", _NPM_INDEX, r"registry: '([^']+?)/?'", ""),
    ):
        match = re.search(pattern, (build / path).read_text(encoding="utf-8"), re.M)
        if not match:
            raise Problem(f"/{path} of the locked packages names no registry. Set {name}.")
        found[name] = match[1] + suffix
    (build / "defaults.json").write_text(json.dumps(found))
    return found


def _fetch_bazelisk(npm: list[Package], build: Path, downloads: Path, site: Site) -> None:
    """Unpacks the static program out of bazelisk's npm package."""
    (package,) = [p for p in npm if p["name"] == "@bazel/bazelisk"]

    def done(_: fetch.Item, path: Path) -> None:
        with tarfile.open(path) as tar:
            program = tar.extractfile("package/" + package["file"])
            assert program
            (build / "bazelisk").write_bytes(program.read())
        (build / "bazelisk").chmod(0o755)

    name, version = package["name"], package["version"]
    url = f"{site.npm_registry}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
    item = fetch.Item(
        name=f"{name} {version}",
        urls=(url,),
        digest=fetch.hex_of_integrity(package["integrity"]),
        setting="NPM_REGISTRY=https://REGISTRY",
        algorithm="sha512",
    )
    try:
        fetch.fetch_all([item], downloads, site.ca_bundle, done, fetch.Progress())
    except fetch.GoneError as gone:
        raise Problem(
            f"{gone} is not on the npm registry ({without_credentials(url)}: 404). Name one"
            " that mirrors the public registry: `NPM_REGISTRY=https://REGISTRY ./bazelw info`."
        ) from gone
