"""bundled.yaml is true of the wheels that are locked: their bytes say so."""

import json
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bazel.image.attest import wheels

LOCKED = {
    (wheel["name"].replace("_", "-"), wheel["version"])
    for lock in os.environ["LOCKS"].split()
    for wheel in json.loads(Path(lock).read_text())["wheels"]
}


def unpacked() -> Iterator[tuple[str, str, Path]]:
    """Name, version and folder of each wheel that this test has."""
    for site in os.environ["WHEELS"].split():
        for info in Path(site).glob("*.dist-info"):
            name, version = info.name.removesuffix(".dist-info").split("-")
            yield name.replace("_", "-"), version, Path(site)


def libraries() -> Iterator[Any]:
    for wheel, version, site in unpacked():
        for library in wheels.libraries(wheel, version, os.environ["MACHINE"]):
            yield pytest.param(site, library, id=f"{wheel} {version}: {library['name']}")


def test_versions_are_those_of_the_locks() -> None:
    """Another version of a wheel carries other libraries: see what its bytes say of them."""
    told = {(name, entry["version"]) for entry in wheels.bundled() for name in entry["wheels"]}
    assert told <= LOCKED
    assert {(name, version) for name, version, _ in unpacked()} <= told


@pytest.mark.parametrize(("site", "library"), list(libraries()))
def test_the_bytes_say_so(site: Path, library: dict[str, str]) -> None:
    text = bytes.fromhex(library["code"]) if "code" in library else library["proof"].encode()
    with (
        (site / library["file"]).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        assert data.find(text) >= 0


@pytest.mark.parametrize(("site", "library"), [p for p in libraries() if "zlib" in str(p.id)])
def test_zlib_comes_without_minizip(site: Path, library: dict[str, str]) -> None:
    """images/inference.vex.yaml says so."""
    with (
        (site / library["file"]).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        assert data.find(library["proof"].encode()) >= 0
        # Its functions' names, and what its two halves say of themselves.
        for text in (b"zipOpen", b"unzOpen", b" zip 1.01 Copyright", b" unzip 1.01 Copyright"):
            assert data.find(text) == -1
