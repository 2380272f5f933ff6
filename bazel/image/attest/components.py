"""What a bill speaks of: components, and how the files that tell of them are read."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boolean.boolean import ParseError
from license_expression import ExpressionError, get_spdx_licensing
from packageurl import PackageURL

from bazel.image.oci.layout import Image, ImageError, Json

_SPDX = get_spdx_licensing()


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


def below(ordered: Sequence[str], folder: str) -> Sequence[str]:
    """Of sorted paths those in a folder."""
    start, end = bisect_left(ordered, folder + "/"), bisect_left(ordered, folder + "0")
    return ordered[start:end]  # "0" comes after "/"


def fields_of(fields: Any, path: str, *needed: str) -> Any:
    """The fields of a file, some of which it must have."""
    for name in needed:
        if not fields.get(name.lower()):
            raise ImageError(f"/{path} of the image says no {name}")
    return fields


def json_of(texts: Mapping[str, str], path: str) -> Json:
    try:
        told = json.loads(texts[path])
    except (RecursionError, ValueError) as error:
        raise ImageError(f"/{path} of the image is not JSON: {error}") from error
    if not isinstance(told, dict):
        raise ImageError(f"/{path} of the image is no object of JSON")
    return told


def purl_of(kind: str, namespace: str | None, name: str, version: str, **qualifiers: str) -> str:
    """The canonical form: what parses and compares purls writes them alike."""
    return str(PackageURL(kind, namespace, name, version, qualifiers).to_string())


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


def oci_purl(name: str, image: Image) -> str:
    """Of an image that is pushed under a name."""
    return purl_of("oci", None, name.rpartition("/")[2], image.digest, arch=image.architecture)


def flat(bill: Any) -> Iterator[Any]:
    """The components of a CycloneDX document, and those that are within them."""
    todo = [bill]
    while todo:
        inside = todo.pop().get("components", [])
        todo += inside
        yield from inside
