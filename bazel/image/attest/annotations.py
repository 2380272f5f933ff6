"""Writes what an image says of itself, as JSON: what is known, the commit, and what its model says.

annotations --known FILE [--status FILE] [--model DIRECTORY] --out FILE
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

REVISION = "org.opencontainers.image.revision"


def revision(status: str) -> str:
    """The commit that bazel/status.sh found, or nothing; -dirty if the tree has other files."""
    values = dict(line.partition(" ")[::2] for line in status.splitlines())
    return values.get("STABLE_REVISION", "")


def of_model(folder: Path) -> dict[str, str]:
    """What a model's metadata says, in the words of images."""
    metadata = json.loads((folder / "metadata.json").read_text())
    said = {
        "org.opencontainers.image.description": metadata.get("description"),
        "org.opencontainers.image.licenses": metadata.get("licence"),
        "org.opencontainers.image.title": f"Paddle model {metadata['name']}",
        "paddle_images.version.paddle": metadata["paddle_version"],
    }
    return {key: value for key, value in said.items() if value}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="annotations", description=__doc__)
    for flag in ("known", "out"):
        parser.add_argument(f"--{flag}", type=Path, required=True)
    for flag in ("status", "model"):
        parser.add_argument(f"--{flag}", type=Path)
    args = parser.parse_args(argv)
    said = json.loads(args.known.read_text())
    if args.model:
        said |= of_model(args.model)
    if args.status and (commit := revision(args.status.read_text())):
        said[REVISION] = commit
    args.out.write_text(json.dumps(said, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
