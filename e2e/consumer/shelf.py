"""Prints the models of a folder, as a tree, and what they weigh."""

import subprocess
import sys
from pathlib import Path

import humanize


def main() -> None:
    models = Path(sys.argv[1] if len(sys.argv) > 1 else "/models")
    subprocess.run(["tree", "--noreport", models], check=True)
    size = sum(file.stat().st_size for file in models.rglob("*") if file.is_file())
    print(humanize.naturalsize(size))


if __name__ == "__main__":
    main()
