"""Wheels of an image, by their metadata, and the libraries that they carry inside.

What they carry is told by themselves (*.dist-info/sboms, PEP 770), by bundled.yaml, or by the names
of the files in NAME.libs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from email.parser import HeaderParser
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from packageurl import PackageURL

from bazel.image.attest.components import (
    Component,
    File,
    below,
    fields_of,
    flat,
    is_spdx,
    json_of,
    purl_of,
)
from bazel.image.oci.layout import LIMITS, ImageError
from bazel.platforms.table import MACHINES

DIST_INFO = ".dist-info/METADATA"
_ENGINES = ("paddlepaddle", "paddlepaddle-gpu")
_ROW = 100  # bytes that a path takes in memory beside its own
# What auditwheel makes of libNAME.so.VERSION: libNAME-HASH.so.VERSION; a hash may come twice.
_REPAIRED = re.compile(r"(?P<name>lib.+?)(-[0-9a-f]{8})+(?P<rest>\..+)")


def wheels_of(
    texts: Mapping[str, str], lock: Mapping[str, Any], files: Mapping[str, File], machine: str
) -> Iterator[Component]:
    locked = {(w["name"], w["version"]): on_machine(w, machine)["sha256"] for w in lock["wheels"]}
    ordered, engines, room = sorted(files), set[str](), LIMITS.texts
    for path in sorted(texts):
        if not path.endswith(DIST_INFO):
            continue
        site = str(PurePosixPath(path).parents[1])
        fields = fields_of(HeaderParser().parsestr(texts[path]), path, "Name", "Version")
        name = re.sub(r"[-_.]+", "_", fields["Name"]).lower()
        version = fields["Version"]
        record = texts.get(path.removesuffix("METADATA") + "RECORD", "")
        rows = {line.split(",")[0] for line in record.splitlines()}
        # Scripts and data are outside of the folder for wheels: ../../../bin/NAME.
        room -= sum(len(site) + len(row) + _ROW for row in rows)
        if room < 0:
            raise ImageError(f"what the RECORD beside /{path} lists is too much to remember")
        own = [posixpath.normpath(f"{site}/{row}") for row in rows if row]
        own += below(ordered, posixpath.dirname(path))
        engine = f"{site}/paddle"
        # The engine alone, without the rest of its wheel: what there is of it is beside it.
        if not record and name.replace("_", "-") in _ENGINES and engine not in engines:
            engines.add(engine)
            own += below(ordered, engine)
        yield Component(
            # A copy within another wheel, to which its files belong.
            "vendored" if "/_vendor/" in path else "wheel",
            name.replace("_", "-"),
            version,
            licences_of(fields),
            purl=purl_of("pypi", None, name.replace("_", "-"), version),
            sha256=locked.get((name, version)),
            supplier=fields["Author-email"] or fields["Author"],
            source=path,
            files=own,
        )


def on_machine(entry: Mapping[str, Any], machine: str) -> Mapping[str, Any]:
    """A wheel of the lock, or a library of bundled.yaml, as a machine has it."""
    return {**entry, **entry.get(machine, {})} if machine in MACHINES else entry


@cache
def bundled() -> list[dict[str, Any]]:
    """What is known of wheels that do not tell what they carry."""
    told = yaml.safe_load(Path(__file__).with_name("bundled.yaml").read_text())
    return list(told)


def libraries(wheel: str, version: str, machine: str) -> Iterator[Mapping[str, Any]]:
    """What is known of a wheel for a machine."""
    for entry in bundled():
        if wheel in entry["wheels"] and version == entry["version"]:
            there = (lib for lib in entry["libraries"] if lib.get(machine, lib) is not None)
            told = (on_machine(library, machine) for library in there)
            yield from (library for library in told if "file" in library)


def vendored(
    found: Iterable[Component], files: Mapping[str, File], texts: Mapping[str, str], machine: str
) -> Iterator[Component]:
    """The libraries that wheels carry inside: by their own bills, else by what is known of them."""
    for wheel in found:
        if wheel.kind != "wheel":
            continue
        bills = PurePosixPath(wheel.source or "").parent / "sboms"
        beside = [p for p in wheel.files if p in texts and PurePosixPath(p).parent == bills]
        told_by = {path: json_of(texts, path) for path in beside}
        # Other formats may lie there too, such as SPDX.
        own = {path: bill for path, bill in told_by.items() if bill.get("bomFormat") == "CycloneDX"}
        told = [c for path, bill in own.items() for c in _of_bill(bill, wheel, path)]
        told += _of_table(wheel, machine)
        if not own:
            paths = {library.source for library in told}
            told += [c for p in wheel.files if p not in paths for c in _of_name(p, files[p])]
        known = {(library.name, library.version): library for library in reversed(told)}
        for _, library in sorted(known.items()):
            library.within = wheel.purl
            yield library


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
        own = purl_of("pypi", None, str(purl.name), str(purl.version)) if purl else None
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


def _of_table(wheel: Component, machine: str) -> Iterator[Component]:
    for library in libraries(wheel.name, wheel.version, machine):
        path = next((p for p in wheel.files if p.endswith("/" + library["file"])), None)
        if path is None:  # an image may have a part of a wheel
            continue
        name, version = library["name"], library.get("version", "")
        cpe = f"cpe:2.3:a:{library['cpe']}:{version}:*:*:*:*:*:*:*" if "cpe" in library else None
        yield Component(
            "vendored",
            name,
            version,
            [library["licence"]] if "licence" in library else [],
            purl=purl_of("generic", None, name, version),
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


def licences_of(fields: Any) -> list[str]:
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
