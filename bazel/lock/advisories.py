"""What a security update answers, by the data of Debian's security tracker or by its changelog."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bazel.debian.archive import archive, deb, version
from bazel.site import fetch, settings
from bazel.site.messages import Problem

# Debian's website, not a mirror of packages: no lock depends on what it says.
TRACKER = "https://security-tracker.debian.org/tracker/data/json"

Data = Mapping[str, Any]


def load(url: str) -> Data:
    """The tracker's data, by source package; Problem where it cannot be had."""
    try:
        data = json.loads(b"".join(fetch.Client(settings.ca_bundle()).get(url, fetch.LARGEST)))
    except (OSError, http.client.HTTPException, fetch.TooLargeError, ValueError) as error:
        raise Problem(f"{url} cannot be read: {error or type(error).__name__}") from error
    return data if isinstance(data, dict) else {}


def answered(data: Data, release: str, source: str, old: str, new: str) -> list[str]:
    """The names of what is open in the old version of a source, and not in the new one."""
    found = []
    for name, advisory in data.get(source, {}).items():
        told = advisory.get("releases", {}).get(release, {})
        fixed = told.get("fixed_version", "")
        if told.get("status") != "resolved" or not fixed:
            continue
        if version.compare(old, fixed) < 0 <= version.compare(new, fixed):
            found.append(name)
    return sorted(found)


def in_changelogs(
    packages: Iterable[archive.Package], archives: Sequence[str], old: str
) -> list[str]:
    """The CVEs that the changelog of a source names since its old version.

    Packages of one source have the same changelog, or a link to that of another one.
    """
    for package in sorted(packages, key=lambda package: package.size):
        for url in archives:
            try:
                text = _changelog(package, f"{url}/pool/{package.pool}")
            except (Problem, OSError, tarfile.TarError):
                continue
            if text:
                return named(text, old)
    return []


def named(changelog: str, old: str) -> list[str]:
    """The CVEs of the entries (deb-changelog(5)) that are newer than a version."""
    found: set[str] = set()
    for entry in re.split(r"^(?=[a-z0-9][a-z0-9.+-]* \()", changelog, flags=re.MULTILINE):
        head = re.match(r"\S+ \(([^)]+)\)", entry)
        if head and version.compare(head[1], old) <= 0:
            break
        found.update(re.findall(r"CVE-\d{4}-\d{4,}", entry))
    return sorted(found)


def _changelog(package: archive.Package, url: str) -> str:
    body = archive.Fetcher().get(url, package.size)
    if hashlib.sha256(body).hexdigest() != package.sha256:
        return ""
    with deb.open_tar(io.BytesIO(body), "data", package.pool) as data:
        for member in data:
            if re.fullmatch(r"\./usr/share/doc/[^/]+/changelog\.Debian\.gz", member.name):
                content = data.extractfile(member) if member.isfile() else None
                packed = content.read() if content else gzip.compress(b"")
                return gzip.decompress(packed).decode("utf-8", "replace")
    return ""
