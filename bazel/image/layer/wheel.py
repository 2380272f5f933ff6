"""Adds unpacked wheels to a layer, as pip would install them.

Files go to the layer's folder for wheels, those of the `data` and `scripts` schemes to /usr/local.
RECORD tells of what is there: rows of files that are left out go, console scripts come.
"""

from __future__ import annotations

import base64
import configparser
import fnmatch
import hashlib
import os
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bazel.image.layer.entries import Layer, LayerError, target_within, walk

PREFIX = "usr/local"
# What install.py made of a wheel's `scripts` and `data` schemes.
_SCHEMES = ("bin", "etc", "share")
_SCRIPT = """\
#!/usr/bin/python3
import sys

from {module} import {name}

sys.exit({function}())
"""


@dataclass(frozen=True)
class Wanted:
    """What is taken of a directory, by glob patterns of paths in it, which begin with a slash."""

    keep: list[str]  # all that is taken; none: everything
    drop: list[str]  # left out all the same

    def __call__(self, path: str) -> bool:
        kept = not self.keep or any(fnmatch.fnmatchcase(path, pattern) for pattern in self.keep)
        return kept and not any(fnmatch.fnmatchcase(path, pattern) for pattern in self.drop)


def add_wheels(
    layer: Layer,
    sites: list[Path],
    folder: str,
    wanted: Wanted,
    below: Mapping[str, Path],
    scripts: list[str],
) -> None:
    """Adds unpacked wheels.

    Args:
        layer: the layer.
        sites: the folders of the unpacked wheels.
        folder: where they go in the image.
        wanted: says which files of a wheel are taken.
        below: path in the image -> file, of what a layer below has of these wheels.
        scripts: names of console scripts to make in /usr/local/bin.
    """
    missing = set(scripts)
    for site in sites:
        placed = _add_files(layer, site, folder, wanted, below)
        made = _add_scripts(layer, site, missing)
        missing -= set(made)
        _add_record(layer, site, folder, placed, made)
    if missing:
        raise LayerError(f"no wheel of this layer has the console script {', '.join(missing)}")


def _place(relative: str, folder: str) -> str:
    top = relative.split("/")[0]
    return f"{PREFIX}/{relative}" if top in _SCHEMES else f"{folder}/{relative}"


def _add_files(
    layer: Layer, site: Path, folder: str, wanted: Wanted, below: Mapping[str, Path]
) -> dict[str, Path]:
    """Gives where each file is in the image, and the file itself."""
    placed = {}
    for relative, file in walk(site):
        if not wanted("/" + relative) or (file.is_dir() and not file.is_symlink()):
            continue  # pip makes no empty folders
        path = _place(relative, folder)
        if path in below:
            placed[path] = below[path]
            continue
        placed[path] = file
        if re.fullmatch(r"[^/]+\.dist-info/RECORD", relative):
            continue  # it is written anew
        if file.is_symlink():
            there = _place(target_within(site, file), folder)
            target = os.path.relpath(there, os.path.dirname(path))  # noqa: PTH120
            layer.add(str(site), path, tarfile.SYMTYPE, 0o777, target=target)
        elif relative.startswith("bin/"):
            content = re.sub(rb"^#!\s*python\S*", b"#!/usr/bin/python3", file.read_bytes())
            layer.add(str(site), path, tarfile.REGTYPE, 0o755, content=content)
        else:
            layer.add_file(str(site), path, file)
    return placed


def _add_scripts(layer: Layer, site: Path, wanted: set[str]) -> list[str]:
    made = []
    for file in site.glob("*.dist-info/entry_points.txt"):
        entries = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        entries.optionxform = str  # type: ignore[assignment, method-assign]
        entries.read_string(file.read_text())
        known = dict(entries["console_scripts"]) if entries.has_section("console_scripts") else {}
        for name in sorted(wanted & known.keys()):
            module, _, function = known[name].partition("[")[0].strip().partition(":")
            text = _SCRIPT.format(module=module, name=function.split(".")[0], function=function)
            path = f"{PREFIX}/bin/{name}"
            layer.add(str(site), path, tarfile.REGTYPE, 0o755, content=text.encode())
            made.append(name)
    return made


def _add_record(
    layer: Layer, site: Path, folder: str, placed: Mapping[str, Path], scripts: list[str]
) -> None:
    for record in site.glob("*.dist-info/RECORD"):
        own = _place(str(record.relative_to(site)), folder)
        if own not in placed:
            continue
        paths = [
            path for path in sorted(placed) if "/__pycache__/" not in path
        ]  # made, not shipped
        paths += [f"{PREFIX}/bin/{name}" for name in scripts]
        below = {path: file for path, file in placed.items() if path not in layer.entries}
        tell = partial(_record, layer, own, folder, paths, below)
        layer.add(str(site), own, tarfile.REGTYPE, 0o644, content=tell)


def _record(
    layer: Layer,
    own: str,
    folder: str,
    paths: list[str],
    below: Mapping[str, Path],
    files: Mapping[str, tuple[int, str]],
) -> bytes:
    """RECORD at `own`: a row for each of `paths` that is in this layer (`files`) or below it."""
    rows = []
    for path in paths:
        if path == own:
            hash_and_size = ","
        elif path in files:
            hash_and_size = _hash_and_size(*files[path])
        elif path in layer.entries:
            hash_and_size = ","  # a link
        elif path in below:
            with below[path].open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            hash_and_size = _hash_and_size(below[path].stat().st_size, digest)
        else:
            continue  # left out by `exclude`
        rows.append(f"{_quoted(os.path.relpath(path, folder))},{hash_and_size}\n")
    return "".join(rows).encode()


def _hash_and_size(size: int, sha256: str) -> str:
    digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()
    return f"sha256={digest},{size}"


def _quoted(path: str) -> str:
    return f'"{path}"' if "," in path or '"' in path else path
