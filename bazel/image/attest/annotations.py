"""Writes what an image says of itself, as JSON: what is known, and the commit.

annotations --known FILE --status FILE --out FILE
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


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="annotations", description=__doc__)
    for flag in ("known", "status", "out"):
        parser.add_argument(f"--{flag}", type=Path, required=True)
    args = parser.parse_args(argv)
    said = json.loads(args.known.read_text())
    if commit := revision(args.status.read_text()):
        said[REVISION] = commit
    args.out.write_text(json.dumps(said, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
