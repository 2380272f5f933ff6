"""Unpacks an OCI image or artifact into a folder: what who mounts or pulls it sees.

files --layout LAYOUT --out FOLDER

An image is unpacked layer upon layer. Of an artifact each layer is a file, or an archive of files,
in the way of ORAS (https://oras.land) and of CNCF's ModelPack: its path is in an annotation.
Whatever it is, manifest.json beside the files is the manifest.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
from pathlib import Path

from bazel.image.base import processes
from bazel.image.oci.layout import Image, ImageError, inside, resolved, unpack
from bazel.oci.layout import Json

MANIFEST = "manifest.json"
_PATHS = ("org.cncf.model.filepath", "org.opencontainers.image.title")
_MODEL_ARCHIVE = re.compile(r"application/vnd\.(cncf|cnai)\.model\..*\.tar(\+gzip|\+zstd)?")


def is_archive(layer: Json) -> bool:
    """Whether a layer of an artifact is a tar archive; ORAS calls files that too by their type."""
    said = layer.get("annotations", {})
    if said.get("io.deis.oras.content.unpack") == "true":
        return True
    return _MODEL_ARCHIVE.fullmatch(layer["mediaType"]) is not None


def unpack_artifact(image: Image, root: Path) -> None:
    """Unpacks what is no image: files and archives."""
    archives = [index for index, layer in enumerate(image.layers) if is_archive(layer)]
    unpack(image, root, archives)
    for index, layer in enumerate(image.layers):
        if index in archives:
            continue
        said = layer.get("annotations", {})
        name = next((said[key] for key in _PATHS if said.get(key)), None)
        if not name:
            raise ImageError(
                f"layer {index} of {image.digest}, {layer['mediaType']}, says no path: none of "
                f"{', '.join(_PATHS)} is among its annotations"
            )
        path = inside(root, name)
        if path == root:
            raise ImageError(f"layer {index} of {image.digest} would be {name!r}, which is no file")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image.checked_blob(layer), path)


def copy_files(root: Path, out: Path) -> None:
    """Copies the files of a root, and in the place of links what they lead to in it."""
    for folder, folders, names in os.walk(root):
        for name in [*names, *(name for name in folders if Path(folder, name).is_symlink())]:
            path = Path(folder, name)
            inner = path.relative_to(root)
            file = resolved(root, str(inner))
            # Links to folders give no second copy; what a link leads to may not be there.
            if file.is_file():
                (out / inner).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, out / inner)


def main() -> int:
    parser = argparse.ArgumentParser(prog="files", description=__doc__)
    for flag in ("layout", "out"):
        parser.add_argument(f"--{flag}", type=Path, required=True)
    args = parser.parse_args()
    image = Image(args.layout)
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        if image.is_artifact:
            unpack_artifact(image, root)
        else:
            unpack(image, root)
        copy_files(root, args.out)
    shutil.copyfile(image.blob(image.digest), args.out / MANIFEST)
    return 0


if __name__ == "__main__":
    processes.run_main(main)
