"""Debian packages of an image, by what dpkg's status says, and the system that they are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from bazel.debian.archive import archive
from bazel.image.attest.components import Component, fields_of, purl_of
from bazel.image.oci.layout import ImageError
from bazel.site import deb822

STATUS = "var/lib/dpkg/status.d/"
_OS_RELEASE = "usr/lib/os-release"
_GNU_IN_WORDS = re.compile(
    r"GNU\s+(Lesser\s+|Library\s+)?General\s+Public\s+License,\s+version\s+(\d+(?:\.\d+)?)"
    r"(\s+\(or,\s+at\s+your\s+option,\s+any\s+later)?"
)


def _release(texts: Mapping[str, str]) -> dict[str, str]:
    """What os-release(5) says."""
    try:
        words = shlex.split(texts.get(_OS_RELEASE, ""), comments=True)
    except ValueError as error:
        raise ImageError(f"/{_OS_RELEASE} of the image is damaged: {error}") from error
    return {key: value for key, is_set, value in (word.partition("=") for word in words) if is_set}


def systems(texts: Mapping[str, str]) -> Iterator[Component]:
    """The operating system: by its name and version scanners find the advisories for packages."""
    release = _release(texts)
    if "ID" in release:
        name = release.get("PRETTY_NAME")
        yield Component(
            "os",
            release["ID"],
            release.get("VERSION_ID", ""),
            [],
            supplier=name,
            source=_OS_RELEASE,
        )


def packages(texts: Mapping[str, str], lock: Mapping[str, Any]) -> Iterator[Component]:
    release = _release(texts)
    distro = (
        {"distro": f"{release['ID']}-{release.get('VERSION_ID', '')}"} if "ID" in release else {}
    )
    locked = {(p["name"], p["version"], p["arch"]): p["sha256"] for p in lock["packages"]}
    for path in sorted(texts):
        name = path.removeprefix(STATUS)
        if name == path or name.endswith(".md5sums"):
            continue
        fields = fields_of(next(deb822.stanzas(texts[path]), {}), path, "Version", "Architecture")
        version = fields["version"]
        sums = texts.get(f"{path}.md5sums", "").splitlines()
        doc = f"usr/share/doc/{name}/copyright"
        source, source_version = archive.source_of({"package": name, **fields})
        # Debian's advisories are about source packages.
        upstream = (
            {}
            if (source, source_version) == (name, version)
            else {"upstream": source}
            if source_version == version
            else {"upstream": f"{source}@{source_version}"}
        )
        qualifiers = {"arch": fields["architecture"]} | distro | upstream
        yield Component(
            "deb",
            name,
            version,
            licences_of(texts.get(doc, "")),
            purl=purl_of("deb", "debian", name, version, **qualifiers),
            built_from=(source, source_version),
            sha256=locked.get((name, version, fields["architecture"])),
            supplier=fields.get("maintainer"),
            source=doc,
            files=[line.split("  ", 1)[1] for line in sums] + [path, f"{path}.md5sums", doc],
        )


def licences_of(copyright_text: str) -> list[str]:
    """The licences that a copyright file names (Debian's DEP-5), as SPDX has them.

    Of files in free form only the references to /usr/share/common-licenses are understood, and
    where there are none, GNU's licences by their full name.
    """
    if copyright_text.startswith("Format:"):
        names = re.findall(r"^License:[ \t]*(\S[^\n]*)$", copyright_text, re.MULTILINE)
        names = [n for name in names for n in re.split(" and | or |,", " ".join(name.split()))]
    else:
        named = re.findall(
            r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])", copyright_text
        )
        names = [f"common-licenses/{name}" for name in named]
        if not names and (gnu := _GNU_IN_WORDS.search(copyright_text)):
            names = [f"{'LGPL' if gnu[1] else 'GPL'}-{gnu[2]}{'+' if gnu[3] else ''}"]
    return sorted({_spdx_of_debian(name.strip().rstrip(".")) for name in names if name.strip()})


def _spdx_of_debian(name: str) -> str:
    if gnu := re.fullmatch(r"(AGPL|GPL|LGPL|GFDL)-(\d+)(?:\.(\d+))?(\+?)", name):
        family, major, minor, later = gnu.groups()
        return f"{family}-{major}.{minor or 0}-{'or-later' if later else 'only'}"
    return {"Expat": "MIT", "BSD-3-clause": "BSD-3-Clause", "BSD-2-clause": "BSD-2-Clause"}.get(
        name, name
    )
