"""The bills of materials of an image are valid, whole, and agree with the locks; see sbom.bzl."""

import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from bazel.image.private import contents, layer_contents
from bazel.image.private.layer_contents import LayerContents
from bazel.image.private.layout import Image

IMAGE = Image(Path(os.environ["LAYOUT"]))
SBOM = Path(os.environ["SBOM"])
CYCLONEDX: dict[str, Any] = json.loads((SBOM / "cyclonedx.json").read_text())
SPDX: dict[str, Any] = json.loads((SBOM / "spdx.json").read_text())
LOCKED = {
    (
        kind,
        entry["name"].replace("_", "-") if kind == "wheel" else entry["name"],
        entry["version"],
    ): entry["sha256"]
    for kind, lock, key in (
        ("deb", "DEBIAN_LOCKS", "packages"),
        ("wheel", "WHEELS_LOCK", "wheels"),
    )
    for file in os.environ[lock].split()
    for entry in json.loads(Path(file).read_text())[key]
}


TOLD = [layer_contents.load(Path(path)) for path in os.environ["CONTENTS"].split()]


@cache
def read() -> list[LayerContents]:
    return contents.read(IMAGE)


def kind_of(component: dict[str, Any]) -> str:
    properties = {p["name"]: str(p["value"]) for p in component["properties"]}
    return properties["paddle_images:kind"]


def test_cyclonedx_is_valid() -> None:
    text = (SBOM / "cyclonedx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    assert CYCLONEDX["specVersion"] == "1.5"


def test_spdx_is_valid() -> None:
    document = parse_file(str(SBOM / "spdx.json"))
    assert validate_full_spdx_document(document, "SPDX-2.3") == []


def test_both_are_of_this_image() -> None:
    assert CYCLONEDX["metadata"]["component"]["version"] == IMAGE.digest
    assert SPDX["name"].endswith(f"@{IMAGE.digest}")


def test_both_name_the_same_things() -> None:
    ours = sorted((c["name"], c["version"]) for c in CYCLONEDX["components"])
    packages = [p for p in SPDX["packages"] if p["SPDXID"] != "SPDXRef-image"]
    assert ours == sorted((p["name"], p["versionInfo"]) for p in packages)


def test_what_the_layers_told_is_in_their_archives() -> None:
    told = {layer.digest: layer for layer in TOLD}
    assert {layer.digest: layer for layer in read()} == told


def test_every_file_of_the_image_belongs_to_something() -> None:
    files, _ = contents.merge(read())
    listed = json.loads((SBOM / "contents.json").read_text())
    assert sorted(path for component in listed for path in component["files"]) == sorted(files)
    assert sum(component["size"] for component in listed) == sum(f.size for f in files.values())
    for component in listed:
        found = Counter(str(files[path].layer) for path in component["files"])
        assert component["layers"] == found


def test_packages_are_those_of_the_locks() -> None:
    found = {"deb": 0, "wheel": 0}
    for component in CYCLONEDX["components"]:
        kind = kind_of(component)
        if kind in found:
            found[kind] += 1
            digest = LOCKED[kind, component["name"], component["version"]]
            assert component["hashes"] == [{"alg": "SHA-256", "content": digest}]
            assert component["purl"].startswith({"deb": "pkg:deb/", "wheel": "pkg:pypi/"}[kind])
    assert found["deb"]


def test_packages_have_licences() -> None:
    without = [
        component["name"]
        for component in CYCLONEDX["components"]
        if kind_of(component) in ("deb", "wheel") and not component.get("licenses")
    ]
    assert without == []
