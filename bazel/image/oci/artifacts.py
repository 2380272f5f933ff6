"""Artifacts beside an image: layouts that are an index of manifests, each with it as its `subject`.

Pushed under the tag sha256-HEX such an index is what the distribution specification 1.1 calls the
referrers tag schema: clients find it in registries without a referrers API.
"""

from __future__ import annotations

from pathlib import Path

from bazel.image.base.processes import UserError
from bazel.image.oci.layout import Image
from bazel.oci.layout import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Json, dump, sha256
from bazel.oci.layout import Layout as Writer

SPDX, CYCLONEDX = "application/spdx+json", "application/vnd.cyclonedx+json"
IN_TOTO = "application/vnd.in-toto+json"
OPENVEX = "application/vnd.openvex+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SLSA = "https://slsa.dev/provenance/v1"


def referrers_tag(digest: str) -> str:
    """Where the referrers of a digest are in a registry without the API."""
    return digest.replace(":", "-")


class Layout(Writer):
    """A layout of artifacts that is being written."""

    def blob(self, media_type: str, data: bytes) -> Json:
        """Writes a blob and gives its descriptor, in the order of Go's: what is signed keeps it."""
        written = super().blob(media_type, data)
        return {key: written[key] for key in ("mediaType", "digest", "size")}

    def copy(self, source: Image, entry: Json) -> None:
        """Copies an artifact of another layout."""
        manifest = source.json(entry["digest"])
        for blob in (entry, manifest["config"], *manifest["layers"]):
            self.blob(blob["mediaType"], source.blob(blob["digest"]).read_bytes())


def subject_of(image: Image) -> Json:
    size = image.blob(image.digest).stat().st_size
    return {"mediaType": OCI_MANIFEST, "digest": image.digest, "size": size}


def artifact(
    layout: Layout, subject: Json, media_type: str, data: bytes, annotations: Json | None = None
) -> Json:
    """Writes one artifact, and gives its entry of an index."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": media_type,
        "config": layout.blob(OCI_EMPTY, b"{}"),
        "layers": [layout.blob(media_type, data)],
        "subject": subject,
    }
    manifest |= {"annotations": annotations} if annotations else {}
    # Not as `artifactType` too: skopeo 1.9 drops that from an index, and refuses to.
    named = {"annotations": {"org.opencontainers.image.title": media_type}}
    return layout.json(OCI_MANIFEST, manifest) | named


def index_of(manifests: list[Json]) -> Json:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}


def write(image: Image, payloads: dict[str, bytes], out: Path) -> None:
    """A layout with one artifact for each payload, by media type."""
    layout, subject = Layout(out), subject_of(image)
    manifests = [artifact(layout, subject, kind, data) for kind, data in payloads.items()]
    layout.finish(layout.json(OCI_INDEX, index_of(manifests)))


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
    return sha256(dump(index_of(entries)))
