"""Packs the files on top of a tree, and of some of its folders, into a .tar.gz.

    pack.py TREE ARCHIVE FOLDER...

The same files give the same bytes. What is hidden below the top, or was made there, stays out.
"""

import gzip
import sys
import tarfile
from pathlib import Path

_MADE = {"__pycache__", "node_modules"}


def main(tree: Path, archive: Path, folders: list[str]) -> None:
    paths = [path for path in tree.iterdir() if path.is_file() and path.name != "user.bazelrc"]
    for folder in folders:
        for path in (tree / folder).rglob("*"):
            parts = path.relative_to(tree).parts
            hidden = any(p in _MADE or p.startswith((".", "bazel-")) for p in parts)
            if path.is_file() and not hidden:
                paths.append(path)
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(paths):
            member = tarfile.TarInfo(f"paddle_images/{path.relative_to(tree)}")
            member.size = path.stat().st_size
            member.mode = path.stat().st_mode & 0o755 | 0o644
            with path.open("rb") as content:
                tar.addfile(member, content)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
