"""Packs files into a wheel: pack.py --out FILE.whl [--requires R]... FILE...

The same files give the same bytes.
"""

import argparse
import os
from pathlib import Path

from wheel.wheelfile import WheelFile  # type: ignore[import-untyped]

from bazel.platforms.table import PYTHON_VERSION

_PACKAGE = "paddle_engine"

_METADATA = """\
Metadata-Version: 2.1
Name: {name}
Version: {version}
Summary: Runs exported Paddle models by the C++ engine
Requires-Python: =={python}.*
"""

_WHEEL = """\
Wheel-Version: 1.0
Generator: {generator}
Root-Is-Purelib: false
Tag: {tag}
"""


def in_wheel(path: str) -> str:
    """A file's path in the wheel: what begins with the package's name."""
    return path[path.rindex(f"{_PACKAGE}/") :]


def pack(out: Path, requires: list[str], files: list[str]) -> None:
    """Writes the wheel; its file name says name, version and tag."""
    name, version, tag = out.stem.split("-", 2)
    metadata = _METADATA.format(name=name, version=version, python=PYTHON_VERSION)
    metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    os.environ["SOURCE_DATE_EPOCH"] = "0"  # wheel then takes the first time that a ZIP can have
    with WheelFile(out, "w") as wheel:
        for file in sorted(files, key=in_wheel):
            wheel.writestr(in_wheel(file), Path(file).read_bytes())
        wheel.writestr(f"{wheel.dist_info_path}/METADATA", metadata)
        text = _WHEEL.format(generator="//cc/bindings:pack", tag=tag)
        wheel.writestr(f"{wheel.dist_info_path}/WHEEL", text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="pack", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="NAME-VERSION-TAG.whl")
    parser.add_argument("--requires", action="append", default=[], help="as for Requires-Dist")
    parser.add_argument("files", nargs="+", help="files of the package")
    arguments = parser.parse_args()
    pack(arguments.out, arguments.requires, arguments.files)


if __name__ == "__main__":
    main()
