"""Makes one layer of an image: a tar archive whose bytes depend on its contents alone.

    layer RECIPE OUT DESCRIPTOR CONTENTS

The recipe is JSON, written by the rule in layer.bzl. Entries are sorted, owned
by root unless told otherwise, and dated 1970; no file may set a user or group
id on execution. Paths follow Debian's merged /usr: what a package ships in
/lib goes to /usr/lib, and /lib is a link.

It is one stream: every file is read once and goes through its own hash, the
archive's (the diff id), the compression and the hash of what that writes (the
digest). DESCRIPTOR tells of these, as `layout descriptor` of bazel/oci would;
CONTENTS is a layer_contents.LayerContents.
"""

from __future__ import annotations

import fnmatch
import hashlib
import importlib.util
import io
import json
import marshal
import os
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from bazel.image.private import compress, deb, wheel, worker
from bazel.image.private.gzip_blocks import Out
from bazel.image.private.layer_contents import LayerContents, is_text

MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
# Read by people and developers' tools, not by a program that runs in an image.
# The copyright files stay: the licences ask for it.
UNREAD = (
    "usr/share/bug/*",
    "usr/share/doc-base/*",
    "usr/share/gcc/*",
    "usr/share/gdb/*",
    "usr/share/info/*",
    "usr/share/lintian/*",
    "usr/share/locale/*",
    "usr/share/man/*",
)
CERTIFICATES = "usr/share/ca-certificates/"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
CHUNK = 1 << 20
_CACHE_TAG = str(sys.implementation.cache_tag)

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
        path = os.path.normpath(path.lstrip("/"))
        if path in MERGED and kind != tarfile.SYMTYPE:
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


# Debian packages


def unread(path: str, link: bool) -> bool:
    if path.startswith("usr/share/doc/"):
        # /usr/share/doc/PACKAGE/copyright; packages of one source share a folder by a link.
        name, _, file = path.removeprefix("usr/share/doc/").partition("/")
        return file != "copyright" and not (link and name and not file)
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in UNREAD)


def add_deb(layer: Layer, path: Path) -> None:
    """Adds a package's files, and the record of it that vulnerability scanners read."""
    package = deb.read(path)
    origin, shipped = package.name, []
    contents: dict[str, bytes] = {}
    for member in package.data:
        name = member.name.removeprefix("./").rstrip("/")
        if name in ("", ".") or unread(merged(name), member.issym()):
            continue
        if member.isreg():
            file = package.data.extractfile(member)
            assert file is not None
            contents[name] = file.read()
        elif member.islnk():
            contents[name] = contents.get(member.linkname.removeprefix("./"), b"")
        owner = (member.uid, member.gid)
        if member.isdir():
            # Folders of /usr/share without a file are those of unread files.
            if not name.startswith("usr/share/"):
                layer.add(origin, name, tarfile.DIRTYPE, member.mode, owner=owner)
        elif member.issym():
            layer.add(origin, name, tarfile.SYMTYPE, 0o777, target=member.linkname)
        elif name in contents:
            content = contents[name]
            layer.add(origin, name, tarfile.REGTYPE, member.mode, owner=owner, content=content)
            if not layer.excludes(merged(name)):
                shipped.append(name)
        else:
            raise LayerError(f"/{name} of {origin} is a device or a pipe; use `exclude`")
    # Debian's own list leaves out configuration files; here every file has its package.
    sums = "".join(
        f"{package.md5sums.get(name) or hashlib.md5(contents[name]).hexdigest()}  {merged(name)}\n"
        for name in sorted(shipped)
    )
    status = "var/lib/dpkg/status.d/" + package.name
    for file_name, text in ((status, package.control), (status + ".md5sums", sums)):
        layer.add(origin, file_name, tarfile.REGTYPE, 0o644, content=text.encode())


def add_certificates(layer: Layer) -> None:
    """Does what ca-certificates' maintainer script does: one bundle of all."""
    names = [path for path in layer.entries if path.startswith(CERTIFICATES)]
    parts = [read(layer.entries[path]) for path in sorted(names) if path.endswith(".crt")]
    if parts:
        text = b"".join(part.rstrip(b"\n") + b"\n" for part in parts)
        layer.add("ca-certificates", BUNDLE, tarfile.REGTYPE, 0o644, content=text)


# Files of the build


def add_tree(
    layer: Layer, root: Path, path: str, owner: tuple[int, int], wanted: wheel.Wanted
) -> None:
    for folder, folders, files in os.walk(root):
        folders.sort()
        inside = os.path.relpath(folder, root)
        for name in sorted(files):
            relative = str(Path(inside, name))
            if not wanted("/" + relative):
                continue
            content = Path(folder, name)
            target = f"{path}/{relative}"
            layer.add(str(root), target, tarfile.REGTYPE, 0o644, owner=owner, content=content)


def add_python_programs(layer: Layer, programs: dict[str, str]) -> None:
    """Makes executables that run Python modules of /app as `python -m` does."""
    for path, module in programs.items():
        text = (
            "#!/usr/bin/python3\n"
            "import runpy\n\n"
            f'runpy.run_module("{module}", run_name="__main__", alter_sys=True)\n'
        )
        layer.add(module, path, tarfile.REGTYPE, 0o755, content=text.encode())


def compile_python(layer: Layer) -> None:
    """Byte-compiles the modules that are not yet: a read-only image could not keep the result.

    Python trusts these files without a look at the source (PEP 552, unchecked hashes): the date of
    a source is 1970 like all dates here.
    """
    for path, entry in list(layer.entries.items()):
        folder, _, name = path.rpartition("/")
        compiled = f"{folder}/__pycache__/{name.removesuffix('.py')}.{_CACHE_TAG}.pyc"
        if not name.endswith(".py") or not entry.info.isreg() or compiled in layer.entries:
            continue
        source = read(entry)
        try:
            code = compile(source, "/" + path, "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError):
            continue  # a template, or of another Python: it stays as it is, as with pip
        header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
        data = header + importlib.util.source_hash(source) + marshal.dumps(code)
        owner = (entry.info.uid, entry.info.gid)
        layer.add(entry.origin, compiled, tarfile.REGTYPE, 0o644, owner=owner, content=data)


def parse_owner(text: str) -> tuple[int, int]:
    uid, _, gid = text.partition(":")
    return int(uid), int(gid or uid)


def build(recipe: dict[str, Any]) -> Layer:
    layer = Layer(recipe["exclude"])
    owner = parse_owner(recipe["owner"])
    wanted = wheel.Wanted(recipe["keep"], recipe["drop"])
    modes = {path.lstrip("/"): int(mode, 8) for path, mode in recipe["modes"].items()}
    for path in recipe["debs"]:
        add_deb(layer, Path(path))
    add_certificates(layer)
    for path, attributes in recipe["dirs"].items():
        mode, _, folder_owner = attributes.partition(" ")
        uid_gid = parse_owner(folder_owner) if folder_owner else owner
        layer.add("dirs", path, tarfile.DIRTYPE, int(mode, 8), owner=uid_gid)
    for path, target in recipe["symlinks"].items():
        layer.add("symlinks", path, tarfile.SYMTYPE, 0o777, target=target)
    for path, text in recipe["texts"].items():
        layer.add("texts", path, tarfile.REGTYPE, 0o644, owner=owner, content=text.encode())
    for path, source in recipe["files"]:
        path = path.lstrip("/")
        if Path(source).is_dir():
            add_tree(layer, Path(source), path, owner, wanted)
        else:
            mode, content = modes.pop(path, 0o644), Path(source)
            layer.add(source, path, tarfile.REGTYPE, mode, owner=owner, content=content)
    below = {path.lstrip("/"): Path(source) for path, source in recipe["below"]}
    sites = [Path(site) for site in recipe["wheels"]]
    folder = recipe["wheel_folder"].strip("/")
    wheel.add_wheels(layer, sites, folder, wanted, below, recipe["scripts"])
    add_python_programs(layer, recipe["python_programs"])
    for path, mode in modes.items():
        if path not in layer.entries:
            raise LayerError(f"`modes` names /{path}, but the layer has no such file")
        layer.entries[path].info.mode = mode & 0o1777
    layer.drop_excluded()
    if recipe["compile_python"]:
        compile_python(layer)
    return layer


def write(layer: Layer, compression: str, out: Path) -> tuple[LayerContents, dict[str, Any]]:
    """Writes a layer to a file; gives what is in it, and its descriptor."""
    with out.open("wb") as file:
        packed = Hashed(file)
        with compress.writer(compression, packed) as writer:
            told = layer.write(writer)
    told.digest = f"sha256:{packed.sha256}"
    return told, {
        "compression": compression,
        "diff_id": told.diff_id,
        "digest": told.digest,
        "size": packed.size,
    }


def main(argv: list[str]) -> int:
    recipe = json.loads(Path(argv[0]).read_text())
    out, descriptor, contents = (Path(path) for path in argv[1:])
    try:
        told, described = write(build(recipe), recipe["compression"], out)
    except (LayerError, deb.DebError, wheel.WheelError) as error:
        print(f"{recipe['label']}: {error}", file=sys.stderr)
        return 1
    descriptor.write_text(json.dumps(described))
    told.write(contents)
    return 0


if __name__ == "__main__":
    worker.run(main)
