"""Makes the referrers of an image: bills of materials, provenance, OpenVEX, as an OCI layout.

    referrers --layout LAYOUT --sbom DIRECTORY --name NAME --label LABEL --flags JSON
        --lock PATH=FILE --out L

The layout is an index of artifact manifests, each with the image as its `subject`. Pushed under the
tag sha256-HEX it is what the distribution specification 1.1 calls the referrers tag schema: clients
find it in registries without a referrers API. Provenance is an in-toto statement (v1) with SLSA's
predicate (v1); what it was made of are the locks and the entries of them that are in the image.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bazel.image.private import worker
from bazel.image.private.annotations import REVISION
from bazel.image.private.layout import Image
from bazel.image.private.processes import UserError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
SPDX, CYCLONEDX = "application/spdx+json", "application/vnd.cyclonedx+json"
IN_TOTO = "application/vnd.in-toto+json"
OPENVEX = "application/vnd.openvex+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SLSA = "https://slsa.dev/provenance/v1"
BUILDER = "urn:paddle_images:bazel"

Json = dict[str, Any]


def referrers_tag(digest: str) -> str:
    """Where the referrers of a digest are in a registry without the API."""
    return digest.replace(":", "-")


def provenance(
    image: Image,
    name: str,
    label: str,
    flags: Json,
    locks: dict[str, Path],
    contents: list[Json],
) -> Json:
    """An in-toto statement of how an image came to be.

    `flags` are those of the build that whoever built it may have set, in whichever file.
    """
    materials: list[Json] = [
        {"uri": f"file:{path}", "digest": {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}}
        for path, file in sorted(locks.items())
    ]
    materials += [
        {"uri": component["purl"], "digest": {"sha256": component["sha256"]}}
        for component in contents
        if component["purl"] and component["sha256"]
    ]
    said = image.manifest.get("annotations", {})
    if (commit := said.get(REVISION)) and not commit.endswith("-dirty"):
        source: Json = {"name": "source", "digest": {"gitCommit": commit}}
        where = said.get("org.opencontainers.image.source")
        materials.append(source | ({"uri": f"git+{where}"} if where else {}))
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": image.digest.partition(":")[2]}}],
        "predicateType": SLSA,
        "predicate": {
            "buildDefinition": {
                "buildType": f"{BUILDER}:v1",
                "externalParameters": {"target": label, "flags": flags},
                "resolvedDependencies": materials,
            },
            "runDetails": {"builder": {"id": BUILDER}},
        },
    }


class Layout:
    """An OCI layout that is being written."""

    def __init__(self, directory: Path) -> None:
        self._blobs = directory / "blobs/sha256"
        self._blobs.mkdir(parents=True)
        self._directory = directory

    def blob(self, media_type: str, data: bytes) -> Json:
        """Writes a blob and gives its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        (self._blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def json(self, media_type: str, value: Json) -> Json:
        return self.blob(media_type, packed(value))

    def copy(self, source: Image, entry: Json) -> None:
        """Copies an artifact of another layout."""
        manifest = source.json(entry["digest"])
        for blob in (entry, manifest["config"], *manifest["layers"]):
            self.blob(blob["mediaType"], source.blob(blob["digest"]).read_bytes())

    def finish(self, root: Json) -> None:
        (self._directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}\n')
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [root]}
        (self._directory / "index.json").write_text(json.dumps(index) + "\n")


def subject_of(image: Image) -> Json:
    size = image.blob(image.digest).stat().st_size
    return {"mediaType": MANIFEST, "digest": image.digest, "size": size}


def artifact(
    layout: Layout, subject: Json, media_type: str, data: bytes, annotations: Json | None = None
) -> Json:
    """Writes one artifact, and gives its entry of an index."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": media_type,
        "config": layout.blob(EMPTY, b"{}"),
        "layers": [layout.blob(media_type, data)],
        "subject": subject,
    }
    manifest |= {"annotations": annotations} if annotations else {}
    # Not as `artifactType` too: skopeo 1.9 drops that from an index, and refuses to.
    named = {"annotations": {"org.opencontainers.image.title": media_type}}
    return layout.json(MANIFEST, manifest) | named


def index_of(manifests: list[Json]) -> Json:
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}


def write(image: Image, payloads: dict[str, bytes], out: Path) -> None:
    """A layout with one artifact for each payload, by media type."""
    layout, subject = Layout(out), subject_of(image)
    manifests = [artifact(layout, subject, kind, data) for kind, data in payloads.items()]
    layout.finish(layout.json(INDEX, index_of(manifests)))


def read(layout: Image, digest: str) -> Json:
    """What such a layout tells of an image, by media type; of signatures there may be several."""
    told: Json = {}
    for entry in layout.json(layout.digest)["manifests"]:
        manifest = layout.json(entry["digest"])
        if manifest["subject"]["digest"] != digest:
            raise UserError(f"{entry['digest']} beside it is of another image")
        for layer in manifest["layers"]:
            value = layout.json(layer["digest"])
            if layer["mediaType"] == BUNDLE:
                told.setdefault(BUNDLE, []).append(value)
            else:
                told[layer["mediaType"]] = value
    return told


def digests(layout: Image) -> list[Json]:
    """Each document of such a layout, as an in-toto resource descriptor."""
    return [
        {"mediaType": layer["mediaType"], "digest": {"sha256": layer["digest"].partition(":")[2]}}
        for entry in layout.json(layout.digest)["manifests"]
        for layer in layout.json(entry["digest"])["layers"]
    ]


def is_signature(layout: Image, entry: Json) -> bool:
    """Whether an entry of the index is a signature, in sigstore's bundle."""
    return all(layer["mediaType"] == BUNDLE for layer in layout.json(entry["digest"])["layers"])


def unsigned(layout: Image) -> str:
    """The digest that the index has without signatures, which come later: it is what is signed."""
    keys = ("mediaType", "digest", "size", "annotations")
    entries = [
        {key: entry[key] for key in keys if key in entry}
        for entry in layout.json(layout.digest)["manifests"]
        if not is_signature(layout, entry)
    ]
    return f"sha256:{hashlib.sha256(packed(index_of(entries))).hexdigest()}"


def packed(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="referrers", description=__doc__)
    for flag in ("layout", "sbom", "out"):
        parser.add_argument(f"--{flag}", type=Path, required=True)
    for flag in ("name", "label"):
        parser.add_argument(f"--{flag}", required=True)
    parser.add_argument("--flags", type=json.loads, default={})
    parser.add_argument("--lock", action="append", default=[], metavar="PATH=FILE")
    args = parser.parse_args(argv)
    image = Image(args.layout)
    locks = {path: Path(file) for path, file in (lock.split("=", 1) for lock in args.lock)}
    contents = json.loads((args.sbom / "contents.json").read_text())
    statement = provenance(image, args.name, args.label, args.flags, locks, contents)
    payloads = {
        SPDX: (args.sbom / "spdx.json").read_bytes(),
        CYCLONEDX: (args.sbom / "cyclonedx.json").read_bytes(),
        IN_TOTO: (json.dumps(statement, indent=1) + "\n").encode(),
    }
    if (known := args.sbom / "openvex.json").exists():
        payloads[OPENVEX] = known.read_bytes()
    write(image, payloads, args.out)
    return 0


if __name__ == "__main__":
    worker.run(main)
