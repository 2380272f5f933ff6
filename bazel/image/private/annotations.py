"""Writes what an image says of itself, as key=value lines: what is known, and the commit.

annotations --known FILE --status FILE --out FILE
"""

from __future__ import annotations

import argparse
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
    lines = args.known.read_text().splitlines()
    if commit := revision(args.status.read_text()):
        lines.append(f"{REVISION}={commit}")
    args.out.write_text("".join(f"{line}\n" for line in sorted(lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
