"""Reads images from OCI layouts: checks every byte, unpacks them into a folder."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from bazel.image.base.processes import UserError
from bazel.oci.layout import (
    DOCKER_CONFIG,
    MAX_DOCUMENT,
    OCI_CONFIG,
    LayoutError,
    blob_path,
    read_blob,
    read_manifest_descriptor,
)
from bazel.oci.layout import (
    Json as Json,
)

CHUNK = 1 << 20


class ImageError(UserError):
    """What is wrong with an image, and what to do about it."""


@dataclass(frozen=True)
class Limits:
    """What an image has at most: anybody may have made it, and a few bytes unpack to any number.

    `unpacked` and `texts` are bytes of all layers, the latter of what is kept in memory: paths, and
    the files that tell what is inside; `text` and `document` are those of one such file, and of one
    blob of JSON; `entries` are those of all layers; `pulled` is what a manifest says of its blobs;
    `referrers` is the number of what refers to the image, `beside` what their manifests say;
    `header` is the bytes of what comes before an entry to say more of it; `depth` is the number of
    folders that a file is in.
    """

    pulled: int = 32 << 30
    referrers: int = 100
    beside: int = 1 << 30
    unpacked: int = 64 << 30
    layers: int = 500
    entries: int = 2_000_000
    header: int = 64 << 10
    path: int = 4096
    depth: int = 100
    text: int = 8 << 20
    texts: int = 512 << 20
    document: int = MAX_DOCUMENT


LIMITS = Limits()


class _Member(tarfile.TarInfo):
    """An entry whose headers are short: tarfile reads them whole, one within the other."""

    _LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
    _PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)

    def _proc_member(self, tarfile_: tarfile.TarFile) -> Any:
        if self.type == tarfile.XGLTYPE:  # tarfile copies what it says for each entry behind it
            raise tarfile.ReadError("a header for all entries")
        if self.type in self._LONG + self._PAX and not 0 <= self.size <= LIMITS.header:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse file")  # of any size, from a few bytes
        return super()._proc_member(tarfile_)  # type: ignore[misc]

    def _proc_gnusparse_10(self, *_: Any) -> None:
        raise tarfile.ReadError("a sparse file")  # its map, of any length, is among its bytes


class _Hashed:
    """A file that is hashed while it is read; it has `most` bytes at most."""

    def __init__(self, file: IO[bytes], name: str, most: int | None = None) -> None:
        self._file, self._name, self._most = file, name, most
        self.hash, self.count = hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._file.read(size)
        except (gzip.BadGzipFile, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise ImageError(f"{self._name} is damaged: {error}") from error
        self.hash.update(data)
        self.count += len(data)
        if self._most is not None and self.count > self._most:
            raise ImageError(f"{self._name} has more than {self._most:,} bytes unpacked")
        return data

    def finish(self) -> str:
        while self.read(CHUNK):
            pass
        return "sha256:" + self.hash.hexdigest()


def _decompressed(file: IO[bytes], media_type: str) -> IO[bytes]:
    if media_type.endswith("gzip"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if media_type.endswith("zstd"):
        # Layers of others may be of several frames.
        decoder = zstandard.ZstdDecompressor()
        return cast(IO[bytes], decoder.stream_reader(file, read_across_frames=True, closefd=False))
    return file


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except LayoutError as error:
        raise ImageError(str(error)) from error


@dataclass(frozen=True)
class Image:
    """One image of a layout."""

    layout: Path

    def blob(self, digest: str) -> Path:
        with _explained():
            return blob_path(self.layout, digest)

    def json(self, digest: str) -> Json:
        with _explained():
            return read_blob(self.layout, digest)

    @cached_property
    def digest(self) -> str:
        """The digest of the manifest, which names the image."""
        with _explained():
            return str(read_manifest_descriptor(self.layout)["digest"])

    @cached_property
    def manifest(self) -> Json:
        manifest = self.json(self.digest)
        if "layers" not in manifest:
            raise ImageError(f"{self.layout} is an index of images, not one image")
        return manifest

    @cached_property
    def config(self) -> Json:
        return self.json(self.manifest["config"]["digest"])

    @property
    def architecture(self) -> str:
        """The machine that it is for, as the table has it; empty where it does not say."""
        return str(self.config.get("architecture", ""))

    @property
    def is_artifact(self) -> bool:
        """Whether it is something else in the form of an image, whose config says nothing of it."""
        # Where it is left out, against the specification, it is an image that is read.
        return self.manifest["config"].get("mediaType", OCI_CONFIG) not in (
            OCI_CONFIG,
            DOCKER_CONFIG,
        )

    @property
    def layers(self) -> list[Json]:
        return cast(list[Json], self.manifest["layers"])

    @property
    def compressed_size(self) -> int:
        """What a first pull transfers: every layer once, config and manifest."""
        sizes = {layer["digest"]: int(layer["size"]) for layer in self.layers}
        config = int(self.manifest["config"]["size"])
        return sum(sizes.values()) + config + self.blob(self.digest).stat().st_size

    @property
    def unpacked_size(self) -> int:
        """The size of the layers' archives."""
        return sum({layer["digest"]: self._unpacked(layer) for layer in self.layers}.values())

    def checked_blob(self, entry: Json) -> Path:
        """A blob that is what its digest says."""
        path = self.blob(entry["digest"])
        with path.open("rb") as file:
            if (got := hashlib.file_digest(file, "sha256").hexdigest()) != path.name:
                raise ImageError(f"{path} is damaged: its digest is sha256:{got}")
        return path

    def _unpacked(self, layer: Json) -> int:
        with self.blob(layer["digest"]).open("rb") as file:
            if layer["mediaType"].endswith("gzip"):
                file.seek(-4, os.SEEK_END)  # gzip ends with the size, modulo 4 GiB
                return int.from_bytes(file.read(4), "little")
            if layer["mediaType"].endswith("zstd"):  # the size of a stream is nowhere
                plain = _decompressed(file, layer["mediaType"])
                return sum(map(len, iter(lambda: plain.read(CHUNK), b"")))
            return int(layer["size"])

    def open_layer(
        self, index: int, most: int = LIMITS.unpacked
    ) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
        """The entries of a layer of `most` bytes; digest and diff id are checked at the end.

        An artifact's config has no diff ids.
        """
        layer = self.layers[index]
        diff_id = None if self.is_artifact else self.config["rootfs"]["diff_ids"][index]
        name = f"layer {index} ({self.blob(layer['digest'])})"
        with self.blob(layer["digest"]).open("rb") as raw:
            packed = _Hashed(raw, name)
            plain = _Hashed(_decompressed(cast(IO[bytes], packed), layer["mediaType"]), name, most)
            file = cast(IO[bytes], plain)
            try:
                with tarfile.open(
                    fileobj=file, mode="r|", bufsize=CHUNK, tarinfo=_Member
                ) as archive:
                    for member in archive:
                        if member.issparse():
                            raise tarfile.ReadError("a sparse file")
                        if max(len(member.name), len(member.linkname)) > LIMITS.path:
                            raise tarfile.ReadError("a path that is too long")
                        if member.name.count("/") > LIMITS.depth:
                            raise tarfile.ReadError("a path that is too deep")
                        yield member, archive.extractfile(member) if member.isreg() else None
                        cast(Any, archive).members.clear()  # else it keeps all
            except (tarfile.TarError, OverflowError, RecursionError, ValueError) as error:
                raise ImageError(f"{name} is damaged: {error}") from error
            for what, got, expected in (
                ("diff id", plain.finish(), diff_id),
                ("digest", packed.finish(), layer["digest"]),
            ):
                if expected is not None and got != expected:
                    raise ImageError(f"{name} is damaged: {what} {got}, not {expected}")


def inside(root: Path, name: str) -> Path:
    """Where an entry goes: links on the way count from the image's root, as in a container."""
    todo = list(Path(os.path.normpath("/" + name)).parts[1:])
    path, links = root, 0
    while len(todo) > 1:
        path = path / todo.pop(0)
        if path.is_symlink():
            links += 1
            if links > 40:
                raise ImageError(f"/{name} goes in circles over the link {path}")
            start = "/" + str(path.parent.relative_to(root))
            target = os.path.normpath(os.path.join(start, path.readlink()))  # noqa: PTH118
            todo, path = [*Path(target).parts[1:], *todo], root
    return path / todo[0] if todo else root


def resolved(root: Path, name: str) -> Path:
    """What a path of an image leads to, as in a container: over links, at its end too."""
    for _ in range(40):
        path = inside(root, name)
        if not path.is_symlink():
            return path
        name = str(Path("/", path.parent.relative_to(root), path.readlink()))
    raise ImageError(f"/{name.lstrip('/')} goes in circles over links")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def unpack(image: Image, root: Path, layers: Iterable[int] | None = None) -> None:
    """Unpacks an image, or some layers, as its caller: owners are not kept, modes and links are."""
    root.mkdir(parents=True)
    folders: dict[Path, int] = {}
    for index in range(len(image.layers)) if layers is None else layers:
        for member, file in image.open_layer(index):
            path = inside(root, member.name)
            if path == root and not member.isdir():
                raise ImageError(f"{member.name} is the image's root, and no folder")
            if path.name == ".wh..wh..opq":
                for child in path.parent.iterdir():
                    _remove(child)
                continue
            if path.name.startswith(".wh."):
                gone = path.name.removeprefix(".wh.")
                if gone in ("", ".", ".."):
                    raise ImageError(f"/{member.name} deletes what is no file of the image")
                _remove(path.with_name(gone))
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.isdir():
                if path.is_symlink() or not path.is_dir():
                    _remove(path)
                    path.mkdir()
                # Open while files come in; what the image says, at the end.
                folders[path] = member.mode
                continue
            _remove(path)
            if member.issym():
                path.symlink_to(member.linkname)
            elif member.islnk():
                path.hardlink_to(inside(root, member.linkname))
            elif file is not None:
                with path.open("wb") as out:
                    shutil.copyfileobj(file, out, CHUNK)
                path.chmod(member.mode & 0o1777)
            else:
                raise ImageError(f"/{member.name} is a device or a pipe")
    for path, mode in folders.items():
        # A later layer may have put a link there, or on the way.
        now = inside(root, str(path.relative_to(root)))
        if now == path and path.is_dir() and not path.is_symlink():
            # The caller, who is not the image's user, must be able to delete it.
            path.chmod(mode & 0o1777 | 0o700)
