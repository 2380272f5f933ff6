"""Fetches an image or an artifact of a registry by its digest, as an OCI layout.

usage: pull.py SKOPEO REPOSITORY DIGEST LAYOUT

Runs in a repository rule. Logins are those of the user, as for a push; mirrors are those of
containers-registries.conf(5), which skopeo reads. What a mirror serves counts by its digest alone.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from bazel.oci.layout import OCI_MANIFEST, Layout, LayoutError, sha256
from bazel.oci.logins import LoginError
from bazel.oci.skopeo import Skopeo, SkopeoError


def pull(skopeo: Skopeo, repository: str, digest: str, out: Path) -> None:
    """Writes the layout; skopeo holds every blob to its digest."""
    reference = f"{repository}@{digest}"
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        # Not as `oci:`, which turns Docker's manifests into others.
        skopeo.run(["copy", "--quiet"], f"docker://{reference}", f"dir:{folder}", side="src-")
        manifest = Path(folder, "manifest.json").read_bytes()
        if sha256(manifest) != digest:
            raise LayoutError(
                f"{reference} is an index of several images. Take the digest of one of them: "
                f"`skopeo inspect --raw docker://{reference}` lists them."
            )
        layout, told = Layout(out), json.loads(manifest)
        for blob in (told["config"], *told["layers"]):
            name = blob["digest"].partition(":")[2]
            Path(folder, name).replace(out / "blobs/sha256" / name)
        layout.finish(layout.blob(told.get("mediaType", OCI_MANIFEST), manifest))


def main(arguments: Sequence[str]) -> int:
    program, repository, digest, out = arguments
    try:
        skopeo = Skopeo(Path(program), repository)
        try:
            pull(skopeo, repository, digest, Path(out).absolute())
        except SkopeoError as error:
            sys.exit(f"{repository}@{digest}: {error}\n{skopeo.cure(error)}".rstrip())
    except (LayoutError, LoginError) as error:
        sys.exit(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
