"""Reads Debian's binary packages (deb(5)): ar archives that hold two tar archives."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bazel.site import deb822
from bazel.site.messages import Problem

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60


class DebError(Problem):
    """A file that is no Debian package, or one that this module cannot read."""


@dataclass(frozen=True)
class Deb:
    """A package's metadata, and the tar archive of its files."""

    name: str
    control: str
    md5sums: dict[str, str]  # path -> md5
    data: tarfile.TarFile


def read(path: Path) -> Deb:
    """Opens a package; DebError where it is none."""
    texts = {}
    with path.open("rb") as file:
        with open_tar(file, "control", path) as archive:
            for member in archive:
                text = archive.extractfile(member)
                if text:
                    texts[member.name.removeprefix("./")] = text.read().decode()
        data = open_tar(file, "data", path)
    control = texts.get("control", "")
    name = next(deb822.stanzas(control), {}).get("package")
    if not name:
        raise DebError(f"{path} has no control file with a package name")
    sums = [line.split("  ", 1) for line in texts.get("md5sums", "").splitlines()]
    return Deb(name, control, {member: md5 for md5, member in sums}, data)


def open_tar(file: IO[bytes], part: str, origin: object) -> tarfile.TarFile:
    """Opens the tar archive `control` or `data` of a package.

    Args:
      file: the package, which may be closed afterwards.
      part: `control` or `data`.
      origin: what errors call the package.

    Raises:
      DebError: it has no such part, or one that cannot be read.
    """
    file.seek(0)
    if file.read(len(_MAGIC)) != _MAGIC:
        raise DebError(f"{origin} is no Debian package: it does not begin with an ar header")
    while header := file.read(_HEADER_BYTES):
        length = header[48:58].strip()
        if header[58:] != b"`\n" or not length.isdigit():
            at = file.tell() - len(header)
            raise DebError(f"{origin} is damaged: no member header at byte {at}")
        name, size = header[:16].decode(errors="replace").rstrip(" /"), int(length)
        if name.startswith(f"{part}.tar"):
            return _open(file.read(size), size, name, origin)
        file.seek(size + size % 2, os.SEEK_CUR)
    raise DebError(f"{origin} holds no {part}.tar")


def _open(content: bytes, size: int, name: str, origin: object) -> tarfile.TarFile:
    if len(content) < size:
        raise DebError(f"{origin} is damaged: the member {name} ends after the file")
    if name.endswith(".zst"):
        raise DebError(f"{origin} holds {name}: only xz, gzip and no compression are read")
    try:
        return tarfile.open(fileobj=io.BytesIO(content))
    except tarfile.TarError as error:
        raise DebError(f"{origin} is damaged: {name}: {error}") from error


def content(package: Deb, member: tarfile.TarInfo) -> bytes:
    """What is in a file of a package, which may be a hard link to one before it."""
    try:
        file = package.data.extractfile(member)
    except KeyError as error:
        raise DebError(
            f"{member.name} of {package.name} is a hard link to {member.linkname}, which the "
            "package does not have before it"
        ) from error
    assert file is not None
    return file.read()
