"""The table of table.bzl, for programs."""

import runpy
from pathlib import Path
from typing import TypedDict

_TABLE = runpy.run_path(str(Path(__file__).with_name("table.bzl")))


class Machine(TypedDict):
    cpu: str
    elf: str
    loader: str
    triple: str


DEBIAN: dict[str, str] = _TABLE["DEBIAN"]
PYTHON: str = _TABLE["PYTHON"]
MACHINES: dict[str, Machine] = _TABLE["MACHINES"]
GCC: str = _TABLE["GCC"]
DIST_PACKAGES: str = _TABLE["DIST_PACKAGES"]
AMD64: Machine = _TABLE["AMD64"]
