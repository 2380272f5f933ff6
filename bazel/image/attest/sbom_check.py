"""The bills of materials of an image are valid, whole, and agree with the locks; see sbom.bzl."""

import json
import os
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from bazel.image.attest import contents, wheels
from bazel.image.attest.components import flat
from bazel.image.layer import layer_contents
from bazel.image.layer.layer_contents import LayerContents
from bazel.image.oci.layout import Image
from bazel.platforms.table import DEBIAN, GCC_VERSION

IMAGE = Image(Path(os.environ["LAYOUT"]))
MACHINE = IMAGE.architecture
SBOM = Path(os.environ["SBOM"])
CYCLONEDX: dict[str, Any] = json.loads((SBOM / "cyclonedx.json").read_text())
SPDX: dict[str, Any] = json.loads((SBOM / "spdx.json").read_text())
LOCKED = {
    (
        kind,
        entry["name"].replace("_", "-") if kind == "wheel" else entry["name"],
        entry["version"],
    ): wheels.on_machine(entry, MACHINE)["sha256"]
    for kind, lock, key in (
        ("deb", "DEBIAN_LOCKS", "packages"),
        ("wheel", "WHEELS_LOCKS", "wheels"),
    )
    for file in os.environ[lock].split()
    for entry in json.loads(Path(file).read_text())[key]
    # A package of one machine; wheels tell of all machines in one entry.
    if entry.get("arch", "all") in ("all", MACHINE)
}


TOLD = [layer_contents.load(Path(path)) for path in os.environ["CONTENTS"].split()]


@cache
def read() -> list[LayerContents]:
    return contents.read(IMAGE)


def kind_of(component: dict[str, Any]) -> str:
    properties = {p["name"]: str(p["value"]) for p in component["properties"]}
    return properties["paddle_images:kind"]


def is_of_a_model_alone() -> bool:
    return {kind_of(component) for component in CYCLONEDX["components"]} == {"model"}


of_a_system = pytest.mark.skipif(
    is_of_a_model_alone(), reason="not run: a model alone has no system and no packages"
)


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
    ours = sorted((c["name"], c.get("version", "")) for c in flat(CYCLONEDX))
    packages = [p for p in SPDX["packages"] if p["SPDXID"] != "SPDXRef-image"]
    assert ours == sorted((p["name"], p.get("versionInfo", "")) for p in packages)
    references = [c["bom-ref"] for c in flat(CYCLONEDX)]
    assert sorted(f"SPDXRef-{reference}" for reference in references) == sorted(
        p["SPDXID"] for p in packages
    )


def test_a_purl_is_spelled_alike_everywhere() -> None:
    listed = json.loads((SBOM / "contents.json").read_text())
    cyclonedx = {c.get("purl") for c in flat(CYCLONEDX)}
    root = CYCLONEDX["metadata"]["component"]["purl"]
    assert {component["purl"] for component in listed} == cyclonedx
    assert purls_of_spdx() == cyclonedx - {None} | {root}
    for purl in purls_of_spdx():
        assert PackageURL.from_string(purl).to_string() == purl


def purls_of_spdx() -> set[str]:
    return {
        reference["referenceLocator"]
        for package in SPDX["packages"]
        for reference in package.get("externalRefs", [])
        if reference["referenceType"] == "purl"
    }


@of_a_system
def test_the_system_is_named_with_its_packages() -> None:
    """Scanners look up Debian's advisories by the system and the source of a package."""
    (system,) = [c for c in CYCLONEDX["components"] if c["type"] == "operating-system"]
    assert (system["name"], system["version"]) == ("debian", DEBIAN["release"])
    debs = {c["bom-ref"]: c for c in CYCLONEDX["components"] if kind_of(c) == "deb"}
    needs = {entry["ref"]: set(entry.get("dependsOn", [])) for entry in CYCLONEDX["dependencies"]}
    assert needs[system["bom-ref"]] == debs.keys()
    contained = [
        (entry["spdxElementId"], entry["relatedSpdxElement"])
        for entry in SPDX["relationships"]
        if entry["relationshipType"] == "CONTAINS"
    ]
    assert {(f"SPDXRef-{system['bom-ref']}", f"SPDXRef-{ref}") for ref in debs} <= set(contained)


@of_a_system
def test_packages_name_their_sources() -> None:
    debs = [c for c in CYCLONEDX["components"] if kind_of(c) == "deb"]
    infos = {p["name"]: p["sourceInfo"] for p in SPDX["packages"] if "sourceInfo" in p}
    assert infos.keys() == {component["name"] for component in debs}
    sources = {}
    for component in debs:
        purl = PackageURL.from_string(component["purl"])
        assert purl.qualifiers["distro"] == f"debian-{DEBIAN['release']}"
        upstream = purl.qualifiers.get("upstream", component["name"])
        name, _, version = upstream.partition("@")
        version = version or component["version"]
        assert infos[component["name"]] == f"built package from: {name} {version}"
        told = {p["name"]: p["value"] for p in component["properties"]}
        trivy = [
            told.get(f"aquasecurity:trivy:Src{key}", "") for key in ("Epoch", "Version", "Release")
        ]
        assert told["aquasecurity:trivy:SrcName"] == name
        assert version == "{}:{}-{}".format(*trivy).removeprefix(":").removesuffix("-")
        sources[component["name"]] = name
    assert (sources["libc6"], sources["libstdc++6"]) == ("glibc", f"gcc-{GCC_VERSION}")


def test_what_wheels_carry_is_within_them() -> None:
    inside = {
        (wheel["name"], component["name"]): component.get("version")
        for wheel in CYCLONEDX["components"]
        for component in wheel.get("components", [])
        if kind_of(wheel) == "wheel"
    }
    for entry in wheels.bundled():
        for name in entry["wheels"]:
            if any(c["name"] == name for c in CYCLONEDX["components"]):
                assert any(wheel == name for wheel, _ in inside), name
    for paddle in (c["version"] for c in CYCLONEDX["components"] if c["name"] == "paddlepaddle"):
        told = [inside.get(("paddlepaddle", k)) for k in ("onednn", "openssl", "openvino")]
        assert told == {
            ("2", "amd64"): ["3.2.1", "1.1.1", None],
            ("2", "arm64"): [None, "1.1.1v", None],
            ("3", "amd64"): ["3.6.2", None, "2025.0.0"],
            ("3", "arm64"): [None, None, None],
        }.get((paddle[0], MACHINE))


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


@of_a_system
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


def test_statements_about_vulnerabilities() -> None:
    if not (SBOM / "openvex.json").exists():
        return
    known = json.loads((SBOM / "openvex.json").read_text())
    assert known["@context"] == "https://openvex.dev/ns/v0.2.0"
    assert known.keys() == {"@context", "@id", "author", "timestamp", "version", "statements"}
    product = CYCLONEDX["metadata"]["component"]["purl"]
    inside = {component.get("purl") for component in flat(CYCLONEDX)}
    names = []
    for statement in known["statements"]:
        names.append(statement["vulnerability"]["name"])
        assert statement["status"] == "not_affected"
        assert statement["justification"] in (
            "vulnerable_code_not_in_execute_path",
            "vulnerable_code_not_present",
        )
        assert statement["status_notes"]
        assert datetime.fromisoformat(statement["timestamp"]).tzinfo
        (stated,) = statement["products"]
        assert stated["@id"] == product
        assert {part["@id"] for part in stated["subcomponents"]} <= inside
    assert len(names) == len(set(names))
