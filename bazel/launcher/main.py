"""Starts Bazel: brings it up on the first start, afterwards only runs it.

What a later start does not need (network, unpacking) is imported where it is
used: a start without it costs the user about 0.1 s.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from bazel.launcher import contents, forky
from bazel.site import mirrors
from bazel.site.messages import Problem
from bazel.site.settings import FOUND, Site

_HERE = Path(__file__).resolve().parent
_PROJECT = _HERE.parent.parent

# Part of the folder's name; raise it when the way of installing changes.
_LAYOUT = b"3"
_SITE_LAYOUT = 1  # the same for what startup.py writes


# Bazel's own exit code for "something about this machine".
_EXIT_CODE = 36


def main(arguments: list[str]) -> NoReturn:
    """Becomes Bazel with these arguments."""
    try:
        _start(arguments)
    except Problem as problem:
        error = str(problem)
    except OSError as problem:
        error = f"the start failed: {problem}. Try again: `./bazelw info`."
    except KeyboardInterrupt:
        error = "interrupted; the next start goes on from here."
    Reporter().say(error)
    sys.exit(_EXIT_CODE)


def _start(arguments: list[str]) -> NoReturn:
    cache = _cache()
    lock = (_HERE / "launcher_lock.json").read_bytes()
    # bazelisk's own variable: who sets it wants a Bazel of their own choice. Under
    # `bazel run` it is what an outer ./bazelw set, perhaps of another cache.
    chosen = os.environ.get("USE_BAZEL_VERSION", "")
    if Path(chosen).parent.name.startswith("site-"):
        chosen = ""
    kind = "bazelisk" if chosen else "bazel"
    real = os.environ.pop("BAZEL_REAL", "")  # what tools/bazel was to stand in for
    # The cache's place is part of the name: what is installed works nowhere else.
    made_of = _LAYOUT + lock + os.fsencode(cache)
    prefix = cache / f"{kind}-{hashlib.sha256(made_of).hexdigest()[:16]}"
    missing = bool(contents.damaged(prefix))
    if missing:
        _make(cache)
    given = Site.find(_PROJECT)
    site = mirrors.complete(given, forky.SUITE, cache, Reporter().say, anew=missing)
    found = [host for host in site.hosts() if host not in given.hosts()]
    if found:
        os.environ[FOUND] = " ".join(found)
    if missing:
        from bazel.launcher import install

        install.install(prefix, _parse(lock), site, Reporter().say, with_bazel=not chosen)
    site = site.completed(prefix, json.loads((prefix / "defaults.json").read_bytes()))
    folder = prefix / f"site-{_key(site)}"
    if contents.damaged(folder):
        from bazel.launcher import startup

        _make(prefix)
        startup.write(folder, prefix, site, Reporter().say, with_bazel=not chosen)
    if os.access(prefix, os.W_OK):
        os.utime(prefix)  # in use: install.py removes what is not
    # Programs under `bazel run` (//:lock, a nested ./bazelw) find the same site.
    os.environ["DEBIAN_MIRROR"] = " ".join(site.debian_mirrors)
    os.environ["DEBIAN_SECURITY_MIRROR"] = " ".join(site.debian_security_mirrors)
    os.environ["PYPI_INDEX"] = site.pypi_index or ""
    os.environ["NPM_REGISTRY"] = site.npm_registry or ""
    # Rules run Python programs, which Bazel's own launcher of those that start a nested ./bazelw
    # would keep from importing what lies beside them.
    for setting in ("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH"):
        os.environ.pop(setting, None)
    program = f"{prefix}/bazelisk"
    os.environ["BAZELISK_SKIP_WRAPPER"] = "true"  # tools/bazel would lead back to here
    if chosen:
        program = real if os.access(real, os.X_OK) else program
        os.execv(program, [program, f"--bazelrc={folder}/bazelrc", *arguments])
    os.environ["USE_BAZEL_VERSION"] = f"{folder}/bazel"
    os.execv(program, [program, *arguments])


def _parse(lock: bytes) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(lock)
    except ValueError as error:
        raise Problem(
            f"{_HERE}/launcher_lock.json is damaged ({error}). Take the committed one:"
            " `git checkout bazel/launcher/launcher_lock.json`."
        ) from error
    return parsed


def _cache() -> Path:
    """The folder that everything lies in; sees to it that Bazel has one too."""
    if not os.environ.get("HOME") or not os.environ.get("USER"):
        import pwd

        try:
            user = pwd.getpwuid(os.getuid())
            name, home = user.pw_name, user.pw_dir
        except KeyError:
            name, home = str(os.getuid()), "/nonexistent"
        # Bazel wants both, and its glibc finds no users of LDAP and the like.
        os.environ["USER"] = os.environ.get("USER") or name
        os.environ["HOME"] = os.environ.get("HOME") or home
    named = os.environ.get("PADDLE_IMAGES_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME") or f"{os.environ['HOME']}/.cache"
    elsewhere = bool(os.environ.get("XDG_CACHE_HOME"))
    homeless = not os.access(os.environ["HOME"], os.F_OK)  # none is made, even by root
    if not named and not elsewhere and (homeless or not _can_be_made(f"{shared}/paddle_images")):
        named = _own_folder(f"/var/tmp/paddle_images-{os.getuid()}")
    cache = Path(named or f"{shared}/paddle_images").resolve()
    if not elsewhere and (homeless or not _can_be_made(f"{shared}/bazel")):
        os.environ["XDG_CACHE_HOME"] = str(cache)  # bazelisk and Bazel keep their files there
    return cache / "launcher"  # beside what other parts of the project keep


def _can_be_made(folder: str) -> bool:
    """Says whether a folder, if it is not there, could be made, and be written to."""
    path = Path(folder).absolute()
    while not os.access(path, os.F_OK):  # unlike exists(), no error where one may not look
        path = path.parent
    return os.access(path, os.W_OK | os.X_OK)


def _own_folder(path: str) -> str:
    """Makes a folder where everybody may make one, so that it must be nobody else's."""
    with contextlib.suppress(OSError):
        Path(path).mkdir(0o700)
    try:
        status = Path(path).lstat()
        owned = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    except OSError:
        owned = False
    if not owned:
        raise Problem(
            f"the home folder {os.environ['HOME']} cannot be written, and {path} cannot be had in"
            " its place. Name a folder to keep files in: `PADDLE_IMAGES_CACHE=/FOLDER ./bazelw"
            " info`."
        )
    return path


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise Problem(
            f"the cache folder {folder} cannot be written: {error.strerror}. Take another:"
            " `PADDLE_IMAGES_CACHE=/FOLDER ./bazelw info`."
        ) from error


def _key(site: Site) -> str:
    """Names a site: the same values and the same CAs give the same key."""
    assert site.ca_bundle
    certificates = hashlib.sha256(site.ca_bundle.read_bytes()).hexdigest()
    archives = [
        site.debian_mirrors,
        site.debian_security_mirrors,
        site.pypi_index,
        site.npm_registry,
    ]
    values = [_SITE_LAYOUT, archives, site.logins(), site.proxies(), certificates]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


class Reporter:
    """Shows lines on stderr; passing ones replace each other on a terminal."""

    _SECONDS_BETWEEN = 5.0  # passing lines in a log file

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tty = sys.stderr.isatty()
        self._last = time.monotonic()

    def say(self, line: str, passing: bool = False) -> None:
        with self._lock:
            if passing and not self._tty:
                if time.monotonic() - self._last < self._SECONDS_BETWEEN:
                    return
                self._last = time.monotonic()
            start, end = ("\r\033[K", "" if passing else "\n") if self._tty else ("", "\n")
            sys.stderr.write(f"{start}paddle_images: {line}{end}")
            sys.stderr.flush()
