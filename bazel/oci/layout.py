"""OCI image layouts, read and written.

A layout is a directory: oci-layout, index.json with exactly one manifest, and
blobs/sha256/*; image-layout.md of https://github.com/opencontainers/image-spec.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

Json = dict[str, Any]

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

# Anybody may have made a layout: a document of it is kept in memory.
MAX_DOCUMENT = 64 << 20
_DIGEST = re.compile("[a-z0-9]+:[0-9a-f]+")


class LayoutError(Exception):
    """What is wrong with a layout, and what to do about it."""


def dump(value: Json) -> bytes:
    """The one spelling of JSON used in layouts."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob_path(layout: Path, digest: str) -> Path:
    if not _DIGEST.fullmatch(digest):
        raise LayoutError(f"{layout} names {digest!r}, which is no digest")
    algorithm, _, value = digest.partition(":")
    return layout / "blobs" / algorithm / value


def read_manifest_descriptor(layout: Path) -> Json:
    """The descriptor of the only manifest of a layout."""
    try:
        index = json.loads((layout / "index.json").read_bytes())
    except (OSError, ValueError) as error:
        raise LayoutError(f"{layout} is not an OCI image layout: {error}") from error
    manifests = index.get("manifests", [])
    if len(manifests) != 1:
        raise LayoutError(f"{layout} names {len(manifests)} manifests, not one")
    descriptor: Json = manifests[0]
    return descriptor


def read_blob(layout: Path, digest: str) -> Json:
    """A blob that is JSON."""
    path = blob_path(layout, digest)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise LayoutError(f"{layout} lacks the blob {digest}: {error.strerror}") from error
    if len(data) > MAX_DOCUMENT:
        raise LayoutError(f"{path} has more than {MAX_DOCUMENT:,} bytes")
    if (got := sha256(data)) != digest:
        raise LayoutError(f"{path} is damaged: its digest is {got}")
    try:
        value: Json = json.loads(data)
    except (RecursionError, ValueError) as error:
        raise LayoutError(f"{path} is not JSON: {error}") from error
    return value


class Layout:
    """A layout that is being written."""

    def __init__(self, out: Path) -> None:
        self.out = out
        (out / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)

    def blob(self, media_type: str, data: bytes) -> Json:
        """Writes a blob and gives its descriptor."""
        digest = sha256(data)
        blob_path(self.out, digest).write_bytes(data)
        return {"mediaType": media_type, "size": len(data), "digest": digest}

    def json(self, media_type: str, value: Json) -> Json:
        return self.blob(media_type, dump(value))

    def link(self, digest: str, source: Path) -> None:
        """Links to an output of the build; sources, which may move, are copied."""
        blob = blob_path(self.out, digest)
        if blob.is_symlink() or blob.exists():
            return
        if source.parts[0] == "bazel-out":
            blob.symlink_to(os.path.relpath(source, blob.parent))
        else:
            shutil.copyfile(source, blob)

    def finish(self, root: Json) -> None:
        """With the descriptor of what index.json names."""
        (self.out / "oci-layout").write_bytes(dump({"imageLayoutVersion": "1.0.0"}))
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [root]}
        (self.out / "index.json").write_bytes(dump(index))
