"""Reads Debian binary packages: the archive, its control fields and its files."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"!<arch>\n"
_HEADER = 60


class DebError(Exception):
    """A file that is no Debian package, or one that this module cannot read."""


@dataclass(frozen=True)
class Deb:
    """A package's metadata, and the tar archive of its files."""

    name: str
    control: str
    md5sums: dict[str, str]  # path -> md5
    data: tarfile.TarFile


def members(path: Path) -> dict[str, bytes]:
    """The members of an ar archive."""
    content = path.read_bytes()
    if not content.startswith(_MAGIC):
        raise DebError(f"{path} is no Debian package: it does not begin with an ar header")
    result, at = {}, len(_MAGIC)
    while at < len(content):
        header = content[at : at + _HEADER]
        if len(header) < _HEADER or header[58:] != b"`\n":
            raise DebError(f"{path} is damaged: no member header at byte {at}")
        name, size = header[:16].decode().rstrip(" /"), int(header[48:58])
        at += _HEADER
        if at + size > len(content):
            raise DebError(f"{path} is damaged: the member {name} ends after the file")
        result[name] = content[at : at + size]
        at += size + size % 2
    return result


def _open_tar(path: Path, parts: dict[str, bytes], stem: str) -> tarfile.TarFile:
    for name, content in parts.items():
        if name.startswith(stem + ".tar"):
            if name.endswith(".zst"):
                raise DebError(f"{path} holds {name}: only xz, gzip and no compression are read")
            return tarfile.open(fileobj=io.BytesIO(content), mode="r:*")
    raise DebError(f"{path} holds no {stem}.tar")


def read(path: Path) -> Deb:
    parts = members(path)
    texts = {}
    with _open_tar(path, parts, "control") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file:
                texts[member.name.removeprefix("./")] = file.read().decode()
    control = texts.get("control", "")
    fields = dict(line.partition(": ")[::2] for line in control.splitlines())
    if "Package" not in fields:
        raise DebError(f"{path} has no control file with a package name")
    sums = [line.split("  ", 1) for line in texts.get("md5sums", "").splitlines()]
    md5sums = {name: md5 for md5, name in sums}
    return Deb(fields["Package"], control, md5sums, _open_tar(path, parts, "data"))


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
