"""What the report compares: layers and packages, as an image here or a pushed one tells them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bazel.image.attest.components import flat
from bazel.image.oci.layout import Image, Json


@dataclass(frozen=True)
class Layer:
    """A layer; `compressed` in bytes, as it is pulled."""

    history: str
    digest: str
    compressed: int


@dataclass(frozen=True)
class Package:
    """A component of an image, as contents.json has it, without its files; `size` in bytes."""

    kind: str
    name: str
    version: str
    licences: tuple[str, ...]
    sha256: str | None
    size: int


@dataclass(frozen=True)
class Facts:
    """An image; `unpacked` in bytes, None where nobody tells it."""

    name: str
    digest: str
    layers: list[Layer]
    packages: list[Package]
    compressed: int
    unpacked: int | None


def layers(manifest: Json, config: Json) -> list[Layer]:
    """The layers, the lowest first, with what the history calls them."""
    history = [h for h in config.get("history", []) if not h.get("empty_layer")]
    names = [str(h.get("created_by") or h.get("comment") or "") for h in history]
    names += [""] * (len(manifest["layers"]) - len(names))
    return [
        Layer(name or "layer", str(layer["digest"]), int(layer["size"]))
        for name, layer in zip(names, manifest["layers"], strict=False)
    ]


_SITE = re.compile(r"(/.*/dist-packages/[^/]+)/.*")


def group(path: str) -> str:
    """What a file that belongs to no package is counted under: itself, or its Python package."""
    matched = _SITE.fullmatch(path)
    return matched[1] if matched else path


def grouped(packages: Iterable[Package]) -> list[Package]:
    """Files of a Python package that nothing tells of, as one."""
    found: list[Package] = []
    loose: dict[str, list[Package]] = {}
    for package in packages:
        if package.kind == "file":
            loose.setdefault(group(package.name), []).append(package)
        else:
            found.append(package)
    for name, files in loose.items():
        digests = "".join(f"{file.sha256}  {file.name}\n" for file in files)
        whole = hashlib.sha256(digests.encode()).hexdigest()
        size = sum(file.size for file in files)
        found.append(Package("file", name, "", (), whole, size))
    return found


def of_contents(components: Iterable[Json]) -> list[Package]:
    """The packages of a contents.json."""
    return grouped(
        Package(
            c["kind"], c["name"], c["version"], tuple(c["licences"]), c.get("sha256"), c["size"]
        )
        for c in components
    )


def of_cyclonedx(bom: Json) -> list[Package]:
    """The packages of the bill that lies beside a pushed image; see sbom.py."""
    found = []
    for component in flat(bom):
        told = {p["name"]: p["value"] for p in component.get("properties", [])}
        hashes = [h["content"] for h in component.get("hashes", []) if h["alg"] == "SHA-256"]
        licences = [
            entry.get("expression")
            or entry["license"].get("id")
            or entry["license"].get("name", "")
            for entry in component.get("licenses", [])
        ]
        found.append(
            Package(
                told.get("paddle_images:kind", "file"),
                component["name"],
                component.get("version", ""),
                tuple(licences),
                hashes[0] if hashes else None,
                int(told.get("paddle_images:bytes", 0)),
            )
        )
    return grouped(found)


def of_layout(name: str, layout: Path, sbom: Path) -> Facts:
    """An image that was built, by its layout and its image_sbom."""
    image = Image(layout)
    return Facts(
        name,
        image.digest,
        layers(image.manifest, image.config),
        of_contents(json.loads((sbom / "contents.json").read_text())),
        image.compressed_size,
        image.unpacked_size,
    )
