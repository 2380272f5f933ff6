"""Reads what a dynamic loader reads of ELF files, and resolves it within an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from bazel.image.oci.layout import ImageError, resolved
from bazel.platforms.table import MACHINES

_TRIPLES = {machine["elf"]: machine["triple"] for machine in MACHINES.values()}


@dataclass(frozen=True)
class Elf:
    """The dynamic section of a file, as far as it names others."""

    needed: list[str]
    runpath: list[str]
    rpath: list[str]  # like runpath, but counts for what the needed ones need, too
    interpreter: str
    folders: list[str]  # where Debian's loader looks after RUNPATH, without a cache


def read(path: Path) -> Elf | None:
    """A dynamic ELF file; None for anything else."""
    with path.open("rb") as file:
        try:
            elf = ELFFile(file)
        except ELFError:
            return None
        segments: dict[str, Any] = {one["p_type"]: one for one in elf.iter_segments()}
        if "PT_DYNAMIC" not in segments:
            return None
        texts: dict[str, list[str]] = {"DT_NEEDED": [], "DT_RUNPATH": [], "DT_RPATH": []}
        for tag in segments["PT_DYNAMIC"].iter_tags():
            if (kind := tag.entry.d_tag) in texts:
                texts[kind].append(getattr(tag, kind.removeprefix("DT_").lower()))
        runpath, rpath = (
            [folder for path in texts[kind] for folder in path.split(":") if folder]
            for kind in ("DT_RUNPATH", "DT_RPATH")
        )
        loader = segments["PT_INTERP"].get_interp_name() if "PT_INTERP" in segments else ""
        triple = _TRIPLES.get(elf["e_machine"])
        folders = [f"/lib/{triple}", f"/usr/lib/{triple}"] if triple else []
        return Elf(
            texts["DT_NEEDED"],
            runpath,
            [] if runpath else rpath,
            loader,
            [*folders, "/lib", "/usr/lib"],
        )


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
    folders += [*_folders(path, elf.runpath), *elf.folders]
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
