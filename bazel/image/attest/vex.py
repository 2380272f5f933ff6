"""Writes what is known of vulnerabilities inside an image as an OpenVEX 0.2.0 document.

https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md

Statements are those of a file that people write, such as images/inference.vex.yaml. Dates are
theirs, so the same image has the same document.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bazel.image.attest.components import Component, oci_purl
from bazel.image.base import terms
from bazel.image.oci.layout import Image, ImageError, Json


def document(image: Image, name: str, file: Path, found: Sequence[Component]) -> Json:
    """The document about an image that is pushed as `name`, by a file's statements."""
    told = terms.read(
        file,
        Path(__file__).with_name("vex.schema.yaml"),
        "file of statements (see images/inference.vex.yaml)",
    )
    product = {
        "@id": oci_purl(name, image),
        "hashes": {"sha-256": image.digest.partition(":")[2]},
    }
    statements = [
        {
            "vulnerability": {"name": vulnerability},
            "timestamp": statement["date"],
            "products": [product | {"subcomponents": [{"@id": _library(statement, file, found)}]}],
            "status": statement["status"],
            # The schema wants either this or an impact_statement for people.
            **_renamed(statement, justification="justification", action="action_statement"),
            "status_notes": statement["notes"],
        }
        for statement in told["statements"]
        if statement.get("machine", image.architecture) == image.architecture
        for vulnerability in statement["vulnerabilities"]
    ]
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, 'vex:' + image.digest)}",
        "author": told["author"],
        "timestamp": max(statement["timestamp"] for statement in statements),
        "version": 1,
        "statements": statements,
    }


def _renamed(statement: Json, **names: str) -> Json:
    """Of some keys those that are there, as OpenVEX has them."""
    return {theirs: statement[ours] for ours, theirs in names.items() if ours in statement}


def _library(statement: Any, file: Path, found: Sequence[Component]) -> str:
    """The purl of the library that a statement is about."""
    wheels = {c.purl for c in found if c.kind == "wheel" and c.name == statement["wheel"]}
    named = [c for c in found if c.within in wheels and c.name == statement["library"]]
    versions = {component.version: component.purl for component in named}
    purl = versions.get(statement["version"])
    if not purl:
        has = " and ".join(versions) or "none"
        raise ImageError(
            f"{file} is about {statement['library']} {statement['version']} in "
            f"{statement['wheel']}, but the image has {has}: see what still holds, and write it"
        )
    return purl
