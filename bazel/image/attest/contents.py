"""What is in an image, told by the image itself: Debian packages, wheels, models and programs.

Debian packages say so in /var/lib/dpkg/status.d (as in images without a package manager), wheels in
*.dist-info/METADATA, models in /models/NAME/VERSION/metadata.json; programs are the files of
/app/bin and /app/lib. A file that none of them accounts for is a component of its own, so nothing
in an image goes unnamed. What wheels carry inside is told by themselves (*.dist-info/sboms, PEP
770), by bundled.yaml, or by the names of the files in NAME.libs; the system by os-release.

All that is asked of the files was told by the actions that wrote the layers; see layer_contents.py.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import posixpath
import re
import shlex
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from email.parser import HeaderParser
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from boolean.boolean import ParseError
from license_expression import ExpressionError, get_spdx_licensing
from packageurl import PackageURL

from bazel.debian.archive import archive
from bazel.image.layer.layer_contents import LayerContents, is_text
from bazel.image.oci.layout import LIMITS, Image, ImageError, Json, Limits
from bazel.site import deb822

STATUS, DIST_INFO = "var/lib/dpkg/status.d/", ".dist-info/METADATA"
_OS_RELEASE = "usr/lib/os-release"
_ENGINES = ("paddlepaddle", "paddlepaddle-gpu")
_ROW = 100  # bytes that a path takes in memory beside its own
_LINKS = 40  # that follow each other, as in Linux
# What auditwheel makes of libNAME.so.VERSION: libNAME-HASH.so.VERSION; a hash may come twice.
_REPAIRED = re.compile(r"(?P<name>lib.+?)(-[0-9a-f]{8})+(?P<rest>\..+)")
_MODEL = re.compile(r"models/([^/]+)/([^/]+)/metadata\.json")
_SPDX = get_spdx_licensing()
_GNU_IN_WORDS = re.compile(
    r"GNU\s+(Lesser\s+|Library\s+)?General\s+Public\s+License,\s+version\s+(\d+(?:\.\d+)?)"
    r"(\s+\(or,\s+at\s+your\s+option,\s+any\s+later)?"
)


@dataclass
class File:
    """A regular file, as the uppermost layer has it."""

    layer: int
    size: int
    sha256: str


@dataclass
class Component:
    """One thing with a version and a licence.

    `kind` is os, deb, wheel, vendored, model, program or file; `version` is empty where nobody
    tells it; `licences` are SPDX expressions, or names that SPDX does not know; `sha256` is that of
    the archive it came in, where the lock knows it, or of the file itself; `size` in bytes is that
    of its files in the image, `layers` says how many of them are in which layer, from 0 upwards.
    What is vendored has no files of its own: they are those of the wheel that it is `within`.
    """

    kind: str
    name: str
    version: str
    licences: list[str]
    purl: str | None = None
    cpe: str | None = None
    built_from: tuple[str, str] | None = None  # the source package: its name and version
    within: str | None = None  # the purl of the wheel that carries it
    sha256: str | None = None
    supplier: str | None = None
    source: str | None = None  # where its licence can be read in the image
    size: int = 0
    files: list[str] = field(default_factory=list)
    layers: dict[int, int] = field(default_factory=dict)


def read(image: Image, limits: Limits = LIMITS) -> list[LayerContents]:
    """What is in the layers of an image by their archives, for who trusts nobody's word."""
    layers = []
    if len(image.layers) > limits.layers:
        raise ImageError(f"the image has more than {limits.layers:,} layers")
    unpacked, entries, texts = limits.unpacked, limits.entries, limits.texts
    for index, layer in enumerate(image.layers):
        diff_id = image.config["rootfs"]["diff_ids"][index]
        found = LayerContents(digest=layer["digest"], diff_id=diff_id)
        for member, content in image.open_layer(index, unpacked):  # checks digest and diff id
            whole, text, keep = hashlib.sha256(), b"", is_text(member.name)
            entries -= 1
            texts -= len(member.name) + len(member.linkname) + (member.size if keep else 0)
            if entries < 0:
                raise ImageError(f"the image has more than {limits.entries:,} entries")
            if texts < 0 or (keep and member.size > limits.text):
                raise ImageError(f"/{member.name} of {member.size:,} bytes is too much to remember")
            while block := content.read(1 << 20) if content else b"":
                whole.update(block)
                unpacked -= len(block)
                text += block if keep else b""
            found.add(member, whole.hexdigest(), text)
        layers.append(found)
    return layers


def of_image(image: Image, layers: Iterable[LayerContents]) -> list[LayerContents]:
    """What was told of an image's layers, from the lowest; refuses what is of other layers."""
    told = list(layers)
    digests = [layer["digest"] for layer in image.layers]
    if [layer.digest for layer in told] != digests:
        raise ImageError(f"{image.layout} has other layers than those whose contents are given")
    return told


def merge(layers: Iterable[LayerContents]) -> tuple[dict[str, File], dict[str, str]]:
    """All regular files of an image, and the contents of those that tell what is in it."""
    files: dict[str, File] = {}
    texts: dict[str, str] = {}
    links: dict[str, str] = {}
    gone = set[str]()
    # From the uppermost, so that each file is looked at once, however many layers remove some.
    for index, layer in reversed(list(enumerate(layers))):
        for path, facts in layer.files.items():
            if path not in files and not (gone and _is_gone(path, gone)):
                files[path] = File(index, *facts)
                if path in layer.texts:
                    texts[path] = layer.texts[path]
        for link, target in layer.doc_links.items():
            if not _is_gone(link, gone):
                links.setdefault(link, target)
        gone.update(layer.gone)
    for link, target in links.items():  # packages of one source share a folder
        for _ in range(_LINKS):
            target = links.get(target, target)
        if f"{target}/copyright" in texts:
            texts[f"{link}/copyright"] = texts[f"{target}/copyright"]
    return files, texts


def _is_gone(path: str, gone: Set[str]) -> bool:
    """Whether it, or a folder that it is in, is among those; the root is empty."""
    while path and path not in gone:
        path = path.rpartition("/")[0]
    return path in gone


def _below(ordered: Sequence[str], folder: str) -> Sequence[str]:
    """Of sorted paths those in a folder."""
    start, end = bisect_left(ordered, folder + "/"), bisect_left(ordered, folder + "0")
    return ordered[start:end]  # "0" comes after "/"


def locked(locks: Iterable[Path], kind: str) -> dict[str, list[Any]]:
    """What several locks have, as one: their `packages` or `wheels`."""
    return {kind: [entry for lock in locks for entry in json.loads(lock.read_text())[kind]]}


def components(
    image: Image,
    layers: Iterable[LayerContents],
    debian_lock: Mapping[str, Any],
    wheels_lock: Mapping[str, Any],
) -> list[Component]:
    """What the image holds, by kind and name; every regular file belongs to one of them."""
    files, texts = merge(of_image(image, layers))
    found = [*_systems(texts), *_debs(texts, debian_lock), *_wheels(texts, wheels_lock, files)]
    found += [*_models(texts, files), *_programs(image, files)]
    owners: dict[str, Component] = {}
    for component in found:
        for path in component.files:
            owners.setdefault(path, component)
    folders = _folders_of_wheels(owners)
    for path in files.keys() - owners.keys():
        if owner := _beside(path, owners) or folders.get(posixpath.dirname(path)):
            owners[path] = owner
    rest = sorted(files.keys() - owners.keys())
    sources = [path for path in rest if path.startswith("app/")]
    for component in _sources(image, files, sources):
        owners |= dict.fromkeys(component.files, component)
        found.append(component)
    for path in sorted(files.keys() - owners.keys()):
        owners[path] = Component("file", "/" + path, "0", [], sha256=files[path].sha256)
        found.append(owners[path])
    for component in found:
        if component.kind == "vendored" and component.source:
            component.within = owners[component.source].purl
    own: dict[int, list[str]] = {id(component): [] for component in found}
    for path in sorted(files):
        own[id(owners[path])].append(path)
    for component in found:
        component.files = own[id(component)]
        component.size = sum(files[p].size for p in component.files)
        component.layers = dict(sorted(Counter(files[p].layer for p in component.files).items()))
    return [*found, *_vendored(found, files, texts)]


def _told(fields: Any, path: str, *needed: str) -> Any:
    """The fields of a file, some of which it must have."""
    for name in needed:
        if not fields.get(name.lower()):
            raise ImageError(f"/{path} of the image says no {name}")
    return fields


def _json(texts: Mapping[str, str], path: str) -> Json:
    try:
        told = json.loads(texts[path])
    except (RecursionError, ValueError) as error:
        raise ImageError(f"/{path} of the image is not JSON: {error}") from error
    if not isinstance(told, dict):
        raise ImageError(f"/{path} of the image is no object of JSON")
    return told


def _purl(kind: str, namespace: str | None, name: str, version: str, **qualifiers: str) -> str:
    """The canonical form: what parses and compares purls writes them alike."""
    return str(PackageURL(kind, namespace, name, version, qualifiers).to_string())


def oci_purl(name: str, digest: str) -> str:
    """Of an image that is pushed under a name."""
    return _purl("oci", None, name.rpartition("/")[2], digest, arch="amd64")


def _release(texts: Mapping[str, str]) -> dict[str, str]:
    """What os-release(5) says."""
    try:
        words = shlex.split(texts.get(_OS_RELEASE, ""), comments=True)
    except ValueError as error:
        raise ImageError(f"/{_OS_RELEASE} of the image is damaged: {error}") from error
    return {key: value for key, is_set, value in (word.partition("=") for word in words) if is_set}


def _systems(texts: Mapping[str, str]) -> Iterator[Component]:
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


def _debs(texts: Mapping[str, str], lock: Mapping[str, Any]) -> Iterator[Component]:
    release = _release(texts)
    distro = (
        {"distro": f"{release['ID']}-{release.get('VERSION_ID', '')}"} if "ID" in release else {}
    )
    locked = {(p["name"], p["version"]): p["sha256"] for p in lock["packages"]}
    for path in sorted(texts):
        name = path.removeprefix(STATUS)
        if name == path or name.endswith(".md5sums"):
            continue
        fields = _told(next(deb822.stanzas(texts[path]), {}), path, "Version", "Architecture")
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
            debian_licences(texts.get(doc, "")),
            purl=_purl("deb", "debian", name, version, **qualifiers),
            built_from=(source, source_version),
            sha256=locked.get((name, version)),
            supplier=fields.get("maintainer"),
            source=doc,
            files=[line.split("  ", 1)[1] for line in sums] + [path, f"{path}.md5sums", doc],
        )


def debian_licences(copyright_text: str) -> list[str]:
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


def is_spdx(expression: str) -> bool:
    """Whether SPDX's list of licences knows every part of it."""
    try:
        _SPDX.parse(expression, validate=True)
    except (ExpressionError, ParseError):
        return False
    return bool(expression)


def parse(expression: str) -> Any:
    """An SPDX expression as a tree, LicenseRefs included."""
    return _SPDX.parse(expression)


def _wheels(
    texts: Mapping[str, str], lock: Mapping[str, Any], files: Mapping[str, File]
) -> Iterator[Component]:
    locked = {(w["name"], w["version"]): w["sha256"] for w in lock["wheels"]}
    ordered, engines, room = sorted(files), set[str](), LIMITS.texts
    for path in sorted(texts):
        if not path.endswith(DIST_INFO):
            continue
        site = str(PurePosixPath(path).parents[1])
        fields = _told(HeaderParser().parsestr(texts[path]), path, "Name", "Version")
        name = re.sub(r"[-_.]+", "_", fields["Name"]).lower()
        version = fields["Version"]
        record = texts.get(path.removesuffix("METADATA") + "RECORD", "")
        rows = {line.split(",")[0] for line in record.splitlines()}
        # Scripts and data are outside of the folder for wheels: ../../../bin/NAME.
        room -= sum(len(site) + len(row) + _ROW for row in rows)
        if room < 0:
            raise ImageError(f"what the RECORD beside /{path} lists is too much to remember")
        own = [posixpath.normpath(f"{site}/{row}") for row in rows if row]
        own += _below(ordered, posixpath.dirname(path))
        engine = f"{site}/paddle"
        # The engine alone, without the rest of its wheel: what there is of it is beside it.
        if not record and name.replace("_", "-") in _ENGINES and engine not in engines:
            engines.add(engine)
            own += _below(ordered, engine)
        yield Component(
            # A copy within another wheel, to which its files belong.
            "vendored" if "/_vendor/" in path else "wheel",
            name.replace("_", "-"),
            version,
            wheel_licences(fields),
            purl=_purl("pypi", None, name.replace("_", "-"), version),
            sha256=locked.get((name, version)),
            supplier=fields["Author-email"] or fields["Author"],
            source=path,
            files=own,
        )


@cache
def bundled() -> list[dict[str, Any]]:
    """What is known of wheels that do not tell what they carry."""
    told = yaml.safe_load(Path(__file__).with_name("bundled.yaml").read_text())
    return list(told)


def _vendored(
    found: Iterable[Component], files: Mapping[str, File], texts: Mapping[str, str]
) -> Iterator[Component]:
    """The libraries that wheels carry inside: by their own bills, else by what is known of them."""
    for wheel in found:
        if wheel.kind != "wheel":
            continue
        bills = PurePosixPath(wheel.source or "").parent / "sboms"
        beside = [p for p in wheel.files if p in texts and PurePosixPath(p).parent == bills]
        told_by = {path: _json(texts, path) for path in beside}
        # Other formats may lie there too, such as SPDX.
        own = {path: bill for path, bill in told_by.items() if bill.get("bomFormat") == "CycloneDX"}
        told = [c for path, bill in own.items() for c in _of_bill(bill, wheel, path)]
        told += _of_table(wheel)
        if not own:
            paths = {library.source for library in told}
            told += [c for p in wheel.files if p not in paths for c in _of_name(p, files[p])]
        known = {(library.name, library.version): library for library in reversed(told)}
        for _, library in sorted(known.items()):
            library.within = wheel.purl
            yield library


def flat(bill: Any) -> Iterator[Any]:
    """The components of a CycloneDX document, and those that are within them."""
    todo = [bill]
    while todo:
        inside = todo.pop().get("components", [])
        todo += inside
        yield from inside


def _of_bill(bill: Any, wheel: Component, path: str) -> Iterator[Component]:
    """What a wheel says that it carries, in a CycloneDX document beside its metadata."""
    for told in flat(bill):
        purl = PackageURL.from_string(told["purl"]) if told.get("purl") else None
        if purl and purl.type in ("alpm", "apk", "deb", "rpm"):
            purl = (
                None  # of the system that built it: scanners would take it for one of the image's
            )
        licences = [
            word
            for entry in told.get("licenses", [])
            if (word := entry.get("expression"))
            or (word := entry["license"].get("id") or entry["license"].get("name"))
        ]
        own = _purl("pypi", None, str(purl.name), str(purl.version)) if purl else None
        if own != wheel.purl:
            yield Component(
                "vendored",
                str(told["name"]),
                str(told.get("version") or ""),
                licences,
                purl=str(purl.to_string()) if purl else None,
                cpe=told.get("cpe"),
                source=path,
            )


def _of_table(wheel: Component) -> Iterator[Component]:
    for entry in bundled():
        if wheel.name not in entry["wheels"] or wheel.version != entry["version"]:
            continue
        for library in entry["libraries"]:
            path = next((p for p in wheel.files if p.endswith("/" + library["file"])), None)
            if path is None:  # an image may have a part of a wheel
                continue
            name, version = library["name"], library.get("version", "")
            cpe = (
                f"cpe:2.3:a:{library['cpe']}:{version}:*:*:*:*:*:*:*" if "cpe" in library else None
            )
            yield Component(
                "vendored",
                name,
                version,
                [library["licence"]] if "licence" in library else [],
                purl=_purl("generic", None, name, version),
                cpe=cpe,
                source=path,
            )


def _of_name(path: str, file: File) -> Iterator[Component]:
    """A library that auditwheel took along, by its file's name: nothing tells which release it is.

    What follows `.so` in the name counts interfaces: libpng16.so.16.44.0 is of libpng 1.6.44.
    """
    matched = _REPAIRED.fullmatch(PurePosixPath(path).name)
    if matched and PurePosixPath(path).parent.name.endswith(".libs"):
        name = matched["name"] + matched["rest"]
        yield Component("vendored", name, "", [], sha256=file.sha256, source=path)


_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
}


def wheel_licences(fields: Any) -> list[str]:
    """Of core metadata: License-Expression, else License if it is short, else the classifiers."""
    if expression := fields["License-Expression"]:
        return [expression]
    stated = (fields["License"] or "").strip()
    classes = [c.split(" :: ")[-1] for c in fields.get_all("Classifier", []) if "License ::" in c]
    if is_spdx(stated):
        return [stated]
    if classes:
        return sorted({_CLASSIFIERS.get(c, c) for c in classes})
    return [stated] if stated and len(stated) < 60 and "\n" not in stated else []


def _models(texts: Mapping[str, str], files: Mapping[str, File]) -> Iterator[Component]:
    ordered = sorted(files)
    for path in sorted(texts):
        if not (matched := _MODEL.fullmatch(path)):
            continue
        name, version = matched.groups()
        metadata = _json(texts, path)
        own = list(_below(ordered, f"models/{name}/{version}"))
        # Its parameters' digest is what tells one model from another.
        digest = metadata.get("digests", {}).get("model.pdiparams", "").removeprefix("sha256:")
        licence = metadata.get("license")
        yield Component(
            "model",
            name,
            version,
            [licence] if licence else [],
            sha256=digest or files[path].sha256,
            source=path,
            files=own,
        )


def _version_and_licences(image: Image) -> tuple[str, list[str]]:
    """Of what this project put into the image."""
    annotations = image.manifest.get("annotations", {})
    licence = annotations.get("org.opencontainers.image.licenses")
    return annotations.get("org.opencontainers.image.version", "0"), [licence] if licence else []


def _sources(image: Image, files: Mapping[str, File], paths: list[str]) -> Iterator[Component]:
    """Python packages of this project: a component for each folder of /app."""
    version, licences = _version_and_licences(image)
    for folder, group in itertools.groupby(paths, lambda path: path.split("/")[1]):
        own = list(group)
        lines = "".join(f"{files[path].sha256}  {path}\n" for path in own)
        yield Component(
            "program",
            f"/app/{folder}",
            version,
            licences,
            sha256=hashlib.sha256(lines.encode()).hexdigest(),
            files=own,
        )


def _programs(image: Image, files: Mapping[str, File]) -> Iterator[Component]:
    version, licences = _version_and_licences(image)
    for path in sorted(files):
        if path.startswith(("app/bin/", "app/lib/")):
            yield Component(
                "program",
                path.rpartition("/")[2],
                version,
                licences,
                sha256=files[path].sha256,
                files=[path],
            )


def _folders_of_wheels(owners: Mapping[str, Component]) -> dict[str, Component | None]:
    """Folder -> the one wheel that all known files in it are of.

    A part of a wheel may be in a layer without its metadata: then it lies beside the other part.
    """
    found: dict[str, Component | None] = {}
    for path, owner in owners.items():
        folder = posixpath.dirname(path)
        wheel = owner if owner.kind == "wheel" else None
        found[folder] = wheel if found.get(folder, wheel) is wheel else None
    return found


def _beside(path: str, owners: Mapping[str, Component]) -> Component | None:
    """Whose a byte-compiled file is: that of its source."""
    compiled = PurePosixPath(path)
    if compiled.parent.name == "__pycache__":
        source = compiled.parent.parent / (compiled.name.split(".")[0] + ".py")
        return owners.get(str(source))
    return None
