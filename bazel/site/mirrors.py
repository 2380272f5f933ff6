"""Finds a mirror of Debian for a machine whose apt names none, and remembers it.

Whoever the mirror is: what comes from it is checked against the lock's digests,
or against Debian's signature. A start that remembers its mirror imports nothing of
what finds one.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bazel.site import apt, deb822
from bazel.site.messages import Problem, Say
from bazel.site.settings import Site, is_list, is_readable, without_credentials

# Debian's own lists, of which one is enough. http, so that a site which has a proxy
# for http alone gets at them; elsewhere the server leads to https.
_LISTS = (
    "http://www.debian.org/mirror/list",
    "http://mirror-master.debian.org/status/Mirrors.masterlist",
)
_LARGEST = 1 << 23  # of a list, or an InRelease
_AT_ONCE = 16
_MOST = 64  # of a list's mirrors are asked
_DAYS_KEPT = 7  # before it is asked again whether a mirror is still there

# Where package managers keep the address of their mirror.
_SETTINGS = ("yum.repos.d/*.repo", "zypp/repos.d/*.repo", "apk/repositories", "pacman.d/mirrorlist")
# Mirrors of these have a folder for each of them, and mostly one for Debian beside it.
_OTHERS = re.compile(
    r"(https?://[^\s\"'=]+?)/(?:ubuntu|kali|linuxmint|fedora|fedora-linux|epel|centos"
    r"|centos-stream|rocky|almalinux|opensuse|alpine|archlinux)(?=[/\s]|$)([^\s\"'$]*)"
)


def complete(
    site: Site, suite: str, cache: Path, say: Say, anew: bool, root: Path = apt.ROOT
) -> Site:
    """The site with mirrors of a suite of Debian, where apt's sources do not name them as such.

    What was found once is taken again, unless the settings have changed or `anew`; after
    some days only if it is still there.
    """
    if site.debian_mirrors and not any(map(is_list, site.debian_mirrors)):
        return site
    memory = cache / "mirrors.json"
    asked = [*site.debian_mirrors, *_siblings(root)]
    remembered: list[str] = []
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(memory.read_bytes())
        remembered = kept["found"] if kept["asked"] == asked else []
    if remembered and not anew and not _is_old(memory):
        return site.with_mirrors(remembered)
    finder = _Finder(site, suite, say, root)
    try:
        if site.debian_mirrors:
            found = finder.listed()
        elif remembered and not anew and finder.is_mirror(remembered[0]):
            found = remembered
        else:
            found = [finder.found()]
    except Problem:
        if not remembered:
            raise
        found = remembered
    with contextlib.suppress(OSError):  # a cache that others fill
        new = memory.with_name(f"mirrors-new-{os.getpid()}")  # new-* is install.py's to remove
        new.write_text(json.dumps({"asked": asked, "found": found}), encoding="utf-8")
        new.replace(memory)
    return site.with_mirrors(found)


def _is_old(memory: Path) -> bool:
    """Says whether to look again; not where others keep the cache, who will."""
    with contextlib.suppress(OSError):
        then = memory.stat().st_mtime
        return os.access(memory.parent, os.W_OK) and time.time() - then > _DAYS_KEPT * 24 * 3600
    return False


def _siblings(root: Path) -> list[str]:
    """Where Debian would be on the mirrors that the machine gets its own packages from."""
    urls = [url for uri, _, _ in apt.entries(root) for url in apt.expand(uri, root)]
    files = [file for pattern in _SETTINGS for file in sorted((root / "etc").glob(pattern))]
    text = "\n".join([*urls, *(line for file in files for line in apt.lines(file))])
    found = []
    for start, rest in _OTHERS.findall(text):
        found += [f"{start}/debian", f"{start}/debian{rest}".rstrip("/")]
    return list(dict.fromkeys(found))


class _Finder:
    def __init__(self, site: Site, suite: str, say: Say, root: Path) -> None:
        from bazel.site import fetch

        self._fetch = fetch
        self._suite = suite
        self._site = site
        self._say = say
        self._root = root

    def listed(self) -> list[str]:
        """apt's mirrors, those in lists of the site among them."""
        found = []
        problems = []
        for url in self._site.debian_mirrors:
            if not is_list(url):
                found.append(url)
                continue
            try:
                listed = apt.listed(self._get(url.removeprefix("mirror+"), chosen=True), self._root)
                found += filter(is_readable, listed)
            except OSError as error:
                problems.append(f"{without_credentials(url)}: {error}")
        if not found:
            raise Problem(
                "no Debian mirror is known: apt's sources name a list of mirrors that cannot be"
                f" read, or is empty ({'; '.join(problems)}). Say which mirror to use:"
                " `DEBIAN_MIRROR=http://MIRROR/debian ./bazelw info`."
            )
        return list(dict.fromkeys(found))

    def found(self) -> str:
        """A mirror that answers: beside another distribution's, or of those that Debian lists."""
        template = self._root / "usr/share/python-apt/templates/Debian.mirrors"
        sources: list[tuple[str, Callable[[], list[str]]]] = [
            ("beside the mirror of this machine's own packages", lambda: _siblings(self._root)),
            (f"in {template}", lambda: _far_and_near(apt.lines(template), self._root)),
            *((f"in {url}", functools.partial(self._published, url)) for url in _LISTS),
        ]
        problems = []
        for where, candidates in sources:
            try:
                mirror = self._first(candidates())
            except OSError as error:
                problems.append(str(error))
                continue
            if not mirror and where.startswith("in http"):
                problems.append(f"none of those {where} answers")
            if mirror:
                self._say(
                    f"apt names no Debian mirror here; taking {without_credentials(mirror)}, found"
                    f" {where} (another: `DEBIAN_MIRROR=http://MIRROR/debian ./bazelw ...`)",
                    False,
                )
                return mirror
        raise Problem(
            "no Debian mirror is known: this machine's settings (/etc/apt and the like) lead to"
            f" none, and Debian's lists of mirrors give none ({'; '.join(problems)}). Say which"
            " one to use: `DEBIAN_MIRROR=http://MIRROR/debian ./bazelw info`."
        )

    def _published(self, url: str) -> list[str]:
        text = self._get(url)
        found = re.findall(r'href="(https?://[^"]+/debian)/?"', text)
        for stanza in deb822.stanzas(text):
            if stanza.get("archive-http") and "amd64" in stanza.get("archive-architecture", ""):
                found.append(f"http://{stanza['site']}/{stanza['archive-http'].strip('/')}")
        return _far_and_near(found, self._root)

    def _get(self, url: str, chosen: bool = False) -> str:
        from http.client import HTTPException

        client = self._fetch.Client(self._site.ca_bundle, debian=True, chosen=chosen)
        try:
            return b"".join(client.get(url, _LARGEST)).decode("utf-8", "replace")
        except (OSError, HTTPException, self._fetch.TooLargeError) as error:
            raise OSError(f"{without_credentials(url)}: {error or type(error).__name__}") from error

    def _first(self, candidates: Sequence[str]) -> str:
        """The first to answer of those that are asked at once, or ""."""
        from concurrent.futures import ThreadPoolExecutor, as_completed

        for start in range(0, min(len(candidates), _MOST), _AT_ONCE):
            some = candidates[start : start + _AT_ONCE]
            pool = ThreadPoolExecutor(len(some))
            asked = {pool.submit(self.is_mirror, url): url for url in some}
            without_security = ""
            try:
                for answer in as_completed(asked):
                    if answer.result() and self._has_security(asked[answer]):
                        return asked[answer]
                    if answer.result():
                        without_security = without_security or asked[answer]
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
            if without_security:
                return without_security
        return ""

    def is_mirror(self, url: str) -> bool:
        try:
            text = self._get(f"{url}/dists/{self._suite}/InRelease")
        except OSError:
            return False
        # Vendors have folders of that name too.
        lines = text[:4096].splitlines()
        return "Origin: Debian" in lines and f"Codename: {self._suite}" in lines

    def _has_security(self, url: str) -> bool:
        try:
            return bool(self._get(f"{url}-security/dists/{self._suite}-security/InRelease"))
        except OSError:
            return False


def _far_and_near(urls: Sequence[str], root: Path) -> list[str]:
    """The machine's country first; the others so that few of them are all over the world."""
    country = _country(root)
    unique = list(dict.fromkeys(url.rstrip("/") for url in urls if url.startswith("http")))
    near = [url for url in unique if country in url.split("/")[2].split(".")]
    far = [url for url in unique if url not in near]
    step = max(1, len(far) // _AT_ONCE)
    return near + [url for start in range(step) for url in far[start::step]]


def _country(root: Path) -> str:
    """The code of the country that the machine's time zone belongs to."""
    zone = next(iter(apt.lines(root / "etc/timezone")), "").strip()
    if not zone:
        with contextlib.suppress(OSError):
            zone = str((root / "etc/localtime").readlink()).partition("zoneinfo/")[2]
    for line in apt.lines(root / "usr/share/zoneinfo/zone.tab"):
        code, _, name = line.split("\t")[:3]
        if name == zone:
            return code.lower()
    return ""
