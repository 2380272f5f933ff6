"""Reads what a dynamic loader reads of x86-64 ELF files, and resolves it within an image."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from bazel.image.private.layout import inside

# Where Debian's loader looks after RUNPATH, without a cache.
DEFAULT_FOLDERS = (
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib",
    "/usr/lib",
)
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29


@dataclass(frozen=True)
class Elf:
    """The dynamic section of a file, as far as it names others."""

    needed: list[str]
    runpath: list[str]
    interpreter: str


def read(path: Path) -> Elf | None:
    """A dynamic ELF file; None for anything else."""
    with path.open("rb") as file:
        if file.read(6) != b"\x7fELF\x02\x01":
            return None
        file.seek(0)
        header = file.read(64)
        offset, size, count = (
            struct.unpack_from("<Q", header, 32)[0],
            *struct.unpack_from("<HH", header, 54),
        )
        file.seek(offset)
        table = file.read(size * count)
        # Type, flags, offset, address, physical address, size in the file.
        segments = [struct.unpack_from("<IIQQQQ", table, i * size) for i in range(count)]

        def content(segment: tuple[int, ...]) -> bytes:
            file.seek(segment[2])
            return file.read(segment[5])

        def at_address(address: int) -> bytes:
            for segment in segments:
                if segment[0] == _PT_LOAD and segment[3] <= address < segment[3] + segment[5]:
                    file.seek(segment[2] + address - segment[3])
                    return file.read(segment[5] - (address - segment[3]))
            return b""

        interpreter = next((content(s) for s in segments if s[0] == _PT_INTERP), b"")
        dynamic = next((content(s) for s in segments if s[0] == _PT_DYNAMIC), None)
        if dynamic is None:
            return None
        pairs = [(tag, value) for tag, value in struct.iter_unpack("<QQ", dynamic)]
        pairs = pairs[: next((i for i, (tag, _) in enumerate(pairs) if tag == 0), len(pairs))]
        strings = at_address(dict(pairs).get(_DT_STRTAB, 0))

        def texts(*tags: int) -> list[str]:
            starts = [value for tag, value in pairs if tag in tags]
            return [strings[at : strings.index(b"\0", at)].decode() for at in starts]

        paths = texts(_DT_RUNPATH) or texts(_DT_RPATH)
        runpath = [folder for path in paths for folder in path.split(":") if folder]
        return Elf(texts(_DT_NEEDED), runpath, interpreter.rstrip(b"\0").decode())


def follow(root: Path, path: str) -> str:
    """The file that a path of the image leads to, over links within it; "" if there is none."""
    for _ in range(40):
        place = inside(root, path)
        if not place.is_symlink():
            return "/" + str(place.relative_to(root)) if place.is_file() else ""
        target = str(place.readlink())
        folder = "/" + str(place.parent.relative_to(root))
        path = target if target.startswith("/") else f"{folder}/{target}"
    return ""


def find(root: Path, path: str, elf: Elf, name: str) -> str:
    """Where the loader finds what a file needs; "" if nowhere."""
    if "/" in name:
        return follow(root, name)
    origin = str(Path(path).parent)
    runpath = [
        folder.replace("$ORIGIN", origin).replace("${ORIGIN}", origin) for folder in elf.runpath
    ]
    places = (follow(root, f"{folder}/{name}") for folder in (*runpath, *DEFAULT_FOLDERS))
    return next((place for place in places if place), "")


def loaded_by(root: Path, program: str) -> set[str]:
    """The names of all libraries that a program loads when it starts."""
    names: set[str] = set()
    queue = [program]
    while queue:
        path = queue.pop(0)
        elf = read(root / path.lstrip("/"))
        for name in elf.needed if elf else []:
            found = name not in names and elf and find(root, path, elf, name)
            if found:
                names.add(name)
                queue.append(found)
    return names


def missing(root: Path, paths: list[str]) -> dict[str, list[str]]:
    """What files of an image need and the image lacks.

    A library may count on what every program that could load it has loaded
    before, as plug-ins do.
    """
    elves = {path: elf for path in paths if (elf := read(root / path.lstrip("/")))}
    programs = [path for path, elf in elves.items() if elf.interpreter and ".so" not in path]
    loaded = [loaded_by(root, program) for program in programs]
    result = {}
    for path, elf in elves.items():
        names = [name for name in elf.needed if not find(root, path, elf, name)]
        if path not in programs:
            names = [name for name in names if not any(name in known for known in loaded)]
        if elf.interpreter and not follow(root, elf.interpreter):
            names.append(elf.interpreter)
        if names:
            result[path] = names
    return result
