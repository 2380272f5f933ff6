"""Reads what a dynamic loader reads of x86-64 ELF files, and resolves it within an image."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bazel.image.oci.layout import ImageError, resolved

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
    rpath: list[str]  # like runpath, but counts for what the needed ones need, too
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

        runpath, rpath = (
            [folder for path in texts(tag) for folder in path.split(":") if folder]
            for tag in (_DT_RUNPATH, _DT_RPATH)
        )
        rpath = [] if runpath else rpath
        return Elf(texts(_DT_NEEDED), runpath, rpath, interpreter.rstrip(b"\0").decode())


def follow(root: Path, path: str) -> str:
    """The file that a path of the image leads to, over links within it; "" if there is none."""
    try:
        place = resolved(root, path)
    except ImageError:
        return ""
    return "/" + str(place.relative_to(root)) if place.is_file() else ""


def _folders(path: str, folders: list[str]) -> list[str]:
    origin = str(Path(path).parent)
    return [folder.replace("$ORIGIN", origin).replace("${ORIGIN}", origin) for folder in folders]


def find(root: Path, path: str, elf: Elf, name: str, inherited: Sequence[str] = ()) -> str:
    """Where the loader finds what a file needs; "" if nowhere.

    `inherited` is the rpath of those that the file was loaded for.
    """
    if "/" in name:
        return follow(root, name)
    folders = [*_folders(path, elf.rpath), *inherited] if not elf.runpath else []
    folders += [*_folders(path, elf.runpath), *DEFAULT_FOLDERS]
    places = (follow(root, f"{folder}/{name}") for folder in folders)
    return next((place for place in places if place), "")


def loaded_by(root: Path, start: str, elves: Mapping[str, Elf]) -> set[str]:
    """The names of all libraries that come with a program when it starts, or with a plug-in."""
    names: set[str] = set()
    queue: list[tuple[str, list[str]]] = [(start, [])]
    while queue:
        path, inherited = queue.pop(0)
        elf = elves.get(path)
        for name in elf.needed if elf else []:
            found = name not in names and elf and find(root, path, elf, name, inherited)
            if found and elf:
                names.add(name)
                queue.append((found, [*_folders(path, elf.rpath), *inherited]))
    return names


def missing(root: Path, paths: list[str]) -> dict[str, list[str]]:
    """What files of an image need and the image lacks.

    A library may count on what comes with any program, or with any library that is loaded by itself
    (a plug-in, a module of Python): what nobody needs by name.
    """
    files = {path: file for path in paths if (file := follow(root, path))}
    elves = {path: elf for path, file in files.items() if (elf := read(root / file[1:]))}
    programs = {path for path, elf in elves.items() if elf.interpreter and ".so" not in path}
    needed = {name for elf in elves.values() for name in elf.needed}
    starts = {path for path in elves if path in programs or Path(path).name not in needed}
    loaded = set().union(*(loaded_by(root, start, elves) for start in sorted(starts)))
    result = {}
    for path, elf in elves.items():
        names = [name for name in elf.needed if not find(root, path, elf, name)]
        if path not in programs:
            names = [name for name in names if name not in loaded]
        if elf.interpreter and not follow(root, elf.interpreter):
            names.append(elf.interpreter)
        if names:
            result[path] = names
    return result
