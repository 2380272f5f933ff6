"""The table of table.bzl, for programs."""

import runpy
from pathlib import Path
from typing import TypedDict

_TABLE = runpy.run_path(str(Path(__file__).with_name("table.bzl")))


class Machine(TypedDict):
    cpu: str
    elf: str
    loader: str
    manylinux: list[str]
    triple: str


DEBIAN: dict[str, str] = _TABLE["DEBIAN"]
PYTHON_FULL_VERSION: str = _TABLE["PYTHON_FULL_VERSION"]
PYTHON_VERSION: str = _TABLE["PYTHON_VERSION"]
MACHINES: dict[str, Machine] = _TABLE["MACHINES"]
GCC_VERSION: str = _TABLE["GCC_VERSION"]
DIST_PACKAGES: str = _TABLE["DIST_PACKAGES"]
BASE: str = _TABLE["BASE"]
AMD64: Machine = _TABLE["AMD64"]
