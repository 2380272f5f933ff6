"""Writes an image's bills of materials, SPDX 2.3 and CycloneDX 1.5, and says what went into it.

    sbom --layout LAYOUT --layer F ... --name NAME --debian-lock F ... --wheels-lock F ... [--vex F]
        --out DIRECTORY

Each --layer is what the layer tool told of one layer, the lowest first.

DIRECTORY gets spdx.json, cyclonedx.json and contents.json, and with --vex openvex.json. They depend
on the image, the locks and the statements alone: identifiers come from the image's digest, and the
date is that of the image's config.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component as CdxComponent
from cyclonedx.model.component import ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot5
from cyclonedx.spdx import is_supported_id
from packageurl import PackageURL
from spdx_tools.spdx.model import (
    Actor,
    ActorType,
    Checksum,
    ChecksumAlgorithm,
    CreationInfo,
    Document,
    ExternalPackageRef,
    ExternalPackageRefCategory,
    ExtractedLicensingInfo,
    Package,
    PackagePurpose,
    Relationship,
    RelationshipType,
    SpdxNoAssertion,
)
from spdx_tools.spdx.writer.json import json_writer

from bazel.image.attest import contents, security, vex
from bazel.image.attest.components import Component, is_spdx, oci_purl, parse
from bazel.image.base import worker
from bazel.image.base.processes import UserError
from bazel.image.layer import layer_contents
from bazel.image.oci.layout import Image

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOOL = "paddle_images"


def _id(component: Component) -> str:
    # By this beginning trivy knows the system in an SPDX document.
    kind = "OperatingSystem" if component.kind == "os" else component.kind
    words = [kind, component.name]
    if component.within:  # other wheels may carry it too, or this one another version
        words += [component.version, component.within.removeprefix("pkg:")]
    return re.sub(r"[^A-Za-z0-9.-]+", "-", "-".join(words)).strip("-")


def _reference(licence: str) -> str:
    return "LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", licence).strip("-")


def _holders(found: Sequence[Component]) -> dict[int, Component]:
    """id of a component -> the one that it is a part of: the system, or a wheel."""
    system = next((c for c in found if c.kind == "os"), None)
    wheels = {c.purl: c for c in found if c.kind == "wheel"}
    holders = {id(c): wheels.get(c.within) for c in found if c.within}
    holders |= {id(c): system for c in found if c.kind == "deb"}
    return {key: holder for key, holder in holders.items() if holder}


def _properties(component: Component) -> list[Property]:
    told = {"paddle_images:kind": component.kind, "paddle_images:bytes": str(component.size)}
    if component.built_from:
        # Where trivy looks for the source package: its own bills have these.
        name, version = component.built_from
        epoch, _, rest = version.rpartition(":")
        upstream, dash, release = rest.rpartition("-")
        parts = {
            "SrcName": name,
            "SrcVersion": upstream if dash else rest,
            "SrcRelease": release if dash else "",
            "SrcEpoch": epoch,
        }
        told |= {f"aquasecurity:trivy:{key}": value for key, value in parts.items() if value}
    return [Property(name=name, value=value) for name, value in told.items()]


def cyclonedx(image: Image, name: str, found: Sequence[Component]) -> str:
    """The image as a CycloneDX 1.5 document."""
    types = {
        "os": ComponentType.OPERATING_SYSTEM,
        "deb": ComponentType.LIBRARY,
        "wheel": ComponentType.LIBRARY,
        "vendored": ComponentType.LIBRARY,
        "model": ComponentType.MACHINE_LEARNING_MODEL,
        "program": ComponentType.APPLICATION,
        "file": ComponentType.FILE,
    }
    licences = LicenseFactory()
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, image.digest))
    bom.metadata.timestamp = _EPOCH
    bom.metadata.component = root = CdxComponent(
        type=ComponentType.CONTAINER,
        name=name,
        version=image.digest,
        bom_ref=image.digest,
        purl=PackageURL.from_string(oci_purl(name, image)),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=image.digest.partition(":")[2])],
        properties=[Property(name=security.LABEL, value=security.updates_of(image) or "base")],
    )
    parts: dict[int, CdxComponent] = {}
    for component in found:
        known = [c for c in component.licences if is_spdx(c)]
        others = [c for c in component.licences if c not in known]
        # The format takes one expression, or a list of single licences.
        listed = (
            [licences.make_with_expression(" AND ".join(f"({c})" for c in known))]
            if known and not others and any(" " in c for c in known)
            else [
                # Beside others only identifiers: `GPL-2.0+` alone would be an expression.
                licences.make_with_id(c) if is_supported_id(c) else DisjunctiveLicense(name=c)
                for c in (*known, *others)
            ]
        )
        parts[id(component)] = CdxComponent(
            type=types[component.kind],
            name=component.name,
            version=component.version or None,
            bom_ref=_id(component),
            purl=PackageURL.from_string(component.purl) if component.purl else None,
            cpe=component.cpe,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=component.sha256)]
            if component.sha256
            else None,
            licenses=listed,
            supplier=OrganizationalEntity(name=component.supplier) if component.supplier else None,
            properties=_properties(component),
        )
    holders = _holders(found)
    needs: dict[str, list[CdxComponent]] = {}
    for component in found:
        holder, part = holders.get(id(component)), parts[id(component)]
        if component.within and holder:
            parts[id(holder)].components.add(part)
            continue
        bom.components.add(part)
        # Packages hang on the system, as in the bills of scanners.
        needs.setdefault(_id(holder) if holder else image.digest, []).append(part)
    for owner in (root, *parts.values()):
        bom.register_dependency(owner, needs.get(str(owner.bom_ref), []))
    text: str = JsonV1Dot5(bom).output_as_string(indent=1)
    return text + "\n"


def spdx(image: Image, name: str, found: Sequence[Component]) -> Document:
    """The image as an SPDX 2.3 document."""
    extracted: dict[str, ExtractedLicensingInfo] = {}

    def expression(component: Component) -> object:
        words = []
        for licence in component.licences:
            if is_spdx(licence):
                words.append(f"({licence})" if " " in licence else licence)
                continue
            reference = _reference(licence)
            words.append(reference)
            extracted.setdefault(
                reference,
                ExtractedLicensingInfo(
                    license_id=reference,
                    license_name=licence,
                    extracted_text=f"{licence}: see /{component.source} in the image",
                ),
            )
        return parse(" AND ".join(words)) if words else SpdxNoAssertion()

    hexadecimal = image.digest.partition(":")[2]
    root = Package(
        spdx_id="SPDXRef-image",
        name=name,
        version=image.digest,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, hexadecimal)],
        primary_package_purpose=PackagePurpose.CONTAINER,
        external_references=[_purl(oci_purl(name, image))],
    )
    document = Document(
        CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id="SPDXRef-DOCUMENT",
            name=f"{name}@{image.digest}",
            document_namespace=f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, image.digest)}",
            creators=[Actor(ActorType.TOOL, _TOOL)],
            created=_EPOCH.replace(tzinfo=None),
        ),
        packages=[root],
        relationships=[
            Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, "SPDXRef-image")
        ],
    )
    holders = _holders(found)
    for component in found:
        stated, holder = expression(component), holders.get(id(component))
        references = [_purl(component.purl)] if component.purl else []
        if component.cpe:
            category = ExternalPackageRefCategory.SECURITY
            references.append(ExternalPackageRef(category, "cpe23Type", component.cpe))
        package = Package(
            spdx_id=f"SPDXRef-{_id(component)}",
            name=component.name,
            version=component.version or None,
            download_location=SpdxNoAssertion(),
            files_analyzed=False,
            supplier=Actor(ActorType.ORGANIZATION, component.supplier)
            if component.supplier
            else SpdxNoAssertion(),
            checksums=[Checksum(ChecksumAlgorithm.SHA256, component.sha256)]
            if component.sha256
            else [],
            license_concluded=SpdxNoAssertion(),
            license_declared=stated,
            external_references=references,
            # The words of syft and trivy, which read them again.
            source_info="built package from: {} {}".format(*component.built_from)
            if component.built_from
            else None,
            primary_package_purpose=PackagePurpose.OPERATING_SYSTEM
            if component.kind == "os"
            else None,
        )
        document.packages.append(package)
        container = f"SPDXRef-{_id(holder)}" if holder else root.spdx_id
        document.relationships.append(
            Relationship(container, RelationshipType.CONTAINS, package.spdx_id)
        )
    document.extracted_licensing_info = [extracted[key] for key in sorted(extracted)]
    return document


def _purl(purl: str) -> ExternalPackageRef:
    return ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", purl)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="sbom", description=__doc__)
    for flag in ("layout", "out"):
        parser.add_argument(f"--{flag}", type=Path, required=True)
    for flag in ("debian-lock", "wheels-lock"):
        parser.add_argument(f"--{flag}", type=Path, action="append", required=True)
    parser.add_argument("--layer", type=Path, action="append", default=[])
    parser.add_argument("--name", required=True)
    parser.add_argument("--vex", type=Path, help="statements about vulnerabilities; see vex.py")
    args = parser.parse_args(argv)
    try:
        write(args)
    except UserError as error:
        print(f"paddle_images: {error}", file=sys.stderr)
        return 1
    return 0


def write(args: argparse.Namespace) -> None:
    """Writes what the arguments ask for."""
    image = Image(args.layout)
    found = contents.components(
        image,
        map(layer_contents.load, args.layer),
        contents.locked(args.debian_lock, "packages"),
        contents.locked(args.wheels_lock, "wheels"),
    )
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "cyclonedx.json").write_text(cyclonedx(image, args.name, found))
    json_writer.write_document_to_file(spdx(image, args.name, found), str(args.out / "spdx.json"))
    if args.vex:
        known = vex.document(image, args.name, args.vex, found)
        (args.out / "openvex.json").write_text(json.dumps(known, indent=1) + "\n")
    listing = [asdict(component) for component in found]
    (args.out / "contents.json").write_text(json.dumps(listing, indent=1) + "\n")


if __name__ == "__main__":
    worker.run(main)
