"""The entries of a layer, from files of a tree to the archive."""

from __future__ import annotations

import fnmatch
import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from bazel.image.layer.gzip_blocks import Out
from bazel.image.layer.layer_contents import LayerContents, is_text

MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
CHUNK = 1 << 20

# Size and sha256 of the files that are written so far -> bytes: see Layer.write.
Late = Callable[[Mapping[str, tuple[int, str]]], bytes]


class LayerError(Exception):
    """What is wrong with the recipe or its files, and what to do about it."""


@dataclass
class Entry:
    """One entry of the archive; its content is bytes, a file to read, or told by other files."""

    origin: str
    info: tarfile.TarInfo
    content: bytes | Path | Late | None = None

    def same(self, other: Entry) -> bool:
        fields = ("type", "mode", "uid", "gid", "linkname")
        if any(getattr(self.info, key) != getattr(other.info, key) for key in fields):
            return False
        return self.content == other.content or _sha256(self) == _sha256(other)


def _open(entry: Entry) -> BufferedReader | io.BytesIO:
    if isinstance(entry.content, Path):
        return entry.content.open("rb")
    assert not callable(entry.content)
    return io.BytesIO(entry.content or b"")


def _sha256(entry: Entry) -> str:
    with _open(entry) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(entry: Entry) -> bytes:
    with _open(entry) as file:
        return file.read()


class Hashed:
    """Hashes and counts what goes through, to or from a file; small texts it keeps."""

    def __init__(self, file: Any, keep: bool = False) -> None:
        self._file, self._hash, self.size = file, hashlib.sha256(), 0
        self._keep, self.kept = keep, b""

    def _pass(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)
        self.kept += data if self._keep else b""

    def write(self, data: bytes) -> int:
        self._pass(data)
        self._file.write(data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        self._pass(data)
        return data

    def tell(self) -> int:
        return self.size

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def merged(path: str) -> str:
    return "usr/" + path if path.split("/")[0] in MERGED else path


def walk(root: Path, *, follow: bool = False) -> Iterator[tuple[str, Path]]:
    """Files, links and empty folders of a tree with their paths in it, in a fixed order.

    With `follow` what a link leads to is there instead.
    """
    for folder, folders, files in os.walk(root, followlinks=follow):
        folders.sort()
        linked = [] if follow else [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted(files + linked) if folders or files else [""]:
            path = Path(folder, name)
            yield str(path.relative_to(root)), path


def target_within(root: Path, link: Path) -> str:
    """What a link of a tree leads to, as a path in the tree."""
    target = os.readlink(link)  # noqa: PTH115  # its very text
    path = os.path.normpath(os.path.relpath(link.parent, root) + "/" + target)
    if target.startswith("/") or path.split("/")[0] == "..":
        raise LayerError(
            f"{link} is a link to {target}, which is not in {root}: leave it out by `drop`, and "
            "make a link in the image by `symlinks`"
        )
    return path


class Layer:
    """The entries of a layer, by path."""

    def __init__(self, exclude: list[str] | None = None) -> None:
        self.entries: dict[str, Entry] = {}
        self._exclude = [pattern.lstrip("/") for pattern in exclude or []]

    def add(
        self,
        origin: str,
        path: str,
        kind: bytes,
        mode: int,
        *,
        owner: tuple[int, int] = (0, 0),
        content: bytes | Path | Late | None = None,
        target: str = "",
    ) -> None:
        if ".." in path.split("/"):
            raise LayerError(f"{origin} has the path {path}: `..` leads out of the image")
        path = os.path.normpath(path.lstrip("/"))
        if path in MERGED and kind == tarfile.DIRTYPE:
            return  # the link is there instead
        if path.split("/")[0] in MERGED and path not in MERGED:
            top = path.split("/")[0]
            self.add(origin, top, tarfile.SYMTYPE, 0o777, target="usr/" + top)
            path = "usr/" + path
        info = tarfile.TarInfo(path)
        info.type, info.linkname = kind, target
        info.mode = mode & 0o1777  # no setuid, no setgid
        info.uid, info.gid = owner
        if content is not None and not callable(content):
            info.size = content.stat().st_size if isinstance(content, Path) else len(content)
        entry = Entry(origin, info, content)
        known = self.entries.get(path)
        if known is not None and not known.same(entry):
            if kind == tarfile.DIRTYPE and known.info.isdir():
                raise LayerError(
                    f"/{path} has mode {known.info.mode:o} and owner {known.info.uid}:"
                    f"{known.info.gid} in {known.origin}, but {mode:o} and "
                    f"{owner[0]}:{owner[1]} in {origin}: say it in one place"
                )
            raise LayerError(
                f"/{path} comes both from {known.origin} and from {origin}, and differs: "
                "leave one of them out, as by `exclude`"
            )
        self.entries.setdefault(path, entry)

    def add_file(
        self, origin: str, path: str, file: Path, *, owner: tuple[int, int] = (0, 0)
    ) -> None:
        """Adds a file as its archive or the checkout has it: one may execute it, or not."""
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise LayerError(f"{file} is no file, folder or link: leave it out by `drop`")
        mode = 0o755 if status.st_mode & 0o111 else 0o644
        self.add(origin, path, tarfile.REGTYPE, mode, owner=owner, content=file)

    def add_parents(self) -> None:
        for path in list(self.entries):
            for parent in Path(path).parents:
                name = str(parent)
                if name == ".":
                    continue
                if name not in self.entries:
                    self.add("parent folders", name, tarfile.DIRTYPE, 0o755)
                elif not self.entries[name].info.isdir():
                    entry = self.entries[name]
                    raise LayerError(
                        f"/{name} of {entry.origin} is no folder, but /{path} is in it"
                    )

    def excludes(self, path: str) -> bool:
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in self._exclude)

    def drop_excluded(self) -> None:
        for path in [path for path in self.entries if self.excludes(path)]:
            del self.entries[path]

    def write(self, out: Out) -> LayerContents:
        """Writes the archive, and tells what is in it.

        What is told by other files' hashes, as RECORD of wheels, comes last, so none is read twice.
        """
        self.add_parents()
        told = LayerContents()
        stream = Hashed(out)
        with tarfile.TarFile(
            fileobj=stream,  # type: ignore[arg-type]
            mode="w",
            format=tarfile.PAX_FORMAT,
            copybufsize=CHUNK,
        ) as archive:
            order = sorted(self.entries, key=lambda path: path.split("/"))
            for path in sorted(order, key=lambda path: callable(self.entries[path].content)):
                entry = self.entries[path]
                if callable(entry.content):
                    entry.content = entry.content(told.files)
                    entry.info.size = len(entry.content)
                with _open(entry) as file:
                    hashed = Hashed(file, keep=is_text(path))
                    archive.addfile(entry.info, hashed)
                told.add(entry.info, hashed.sha256, hashed.kept)
        told.diff_id = f"sha256:{stream.sha256}"
        return told
