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
import json
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

from bazel.debian.archive import deb
from bazel.image.base import worker
from bazel.image.layer import compress, wheel
from bazel.image.layer.entries import Hashed, Layer, LayerError, merged, read, target_within, walk
from bazel.image.layer.layer_contents import LayerContents
from bazel.pypi.private import byte_code

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
_CACHE_TAG = str(sys.implementation.cache_tag)


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
    members = {member.name.removeprefix("./").rstrip("/"): member for member in package.data}
    parents = {str(parent) for name in members for parent in Path(name).parents}
    for name, member in members.items():
        ending = "/" if member.isdir() else ""
        if name in ("", ".") or unread(merged(name) + ending, member.issym()):
            continue
        owner = (member.uid, member.gid)
        if member.isdir():
            # A folder of /usr/share may be that of unread files alone; its files bring it.
            plain = (member.mode & 0o1777, owner) == (0o755, (0, 0))
            if not (name.startswith("usr/share/") and name in parents and plain):
                layer.add(origin, name, tarfile.DIRTYPE, member.mode, owner=owner)
        elif member.issym():
            layer.add(origin, name, tarfile.SYMTYPE, 0o777, target=member.linkname)
        elif member.isreg() or member.islnk():
            content = contents[name] = deb.content(package, member)
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
    layer: Layer,
    root: Path,
    path: str,
    owner: tuple[int, int],
    wanted: wheel.Wanted,
    made: bool,
) -> None:
    """Adds what is in a folder.

    Of a folder that an action made (`made`) Bazel hands on the files alone, in some ways of running
    actions as links, and all of them executable.
    """
    for relative, file in walk(root, follow=made):
        if not wanted("/" + relative):
            continue
        target = f"{path}/{relative}"
        if file.is_dir() and not file.is_symlink():
            if made:
                raise LayerError(
                    f"{file} is empty, and not every way in which Bazel runs actions keeps an "
                    "empty folder: let what makes it put a file there, or leave it out by `drop` "
                    "and name it in `dirs`"
                )
            layer.add(str(root), target, tarfile.DIRTYPE, 0o755, owner=owner)
        elif made:
            layer.add(str(root), target, tarfile.REGTYPE, 0o644, owner=owner, content=file)
        elif file.is_symlink():
            target_within(root, file)
            link = os.readlink(file)  # noqa: PTH115  # its very text
            layer.add(str(root), target, tarfile.SYMTYPE, 0o777, owner=owner, target=link)
        else:
            layer.add_file(str(root), target, file, owner=owner)


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
    """Byte-compiles the modules that are not yet: a read-only image could not keep the result."""
    modules = {}
    for path, entry in layer.entries.items():
        folder, _, name = path.rpartition("/")
        compiled = f"{folder}/__pycache__/{name.removesuffix('.py')}.{_CACHE_TAG}.pyc"
        if name.endswith(".py") and entry.info.isreg() and compiled not in layer.entries:
            modules[compiled] = path, entry
    sources = (("/" + path, read(entry)) for path, entry in modules.values())
    for compiled, content in zip(modules, byte_code.compiled(sources), strict=True):
        if content:  # else a template, or of another Python
            entry = modules[compiled][1]
            owner = (entry.info.uid, entry.info.gid)
            layer.add(entry.origin, compiled, tarfile.REGTYPE, 0o644, owner=owner, content=content)


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
    for path, source, made in recipe["files"]:
        path = path.lstrip("/")
        if Path(source).is_dir():
            add_tree(layer, Path(source), path, owner, wanted, made)
        elif made or path in modes:  # Bazel marks all that actions make as executable
            mode, content = modes.pop(path, 0o644), Path(source)
            layer.add(source, path, tarfile.REGTYPE, mode, owner=owner, content=content)
        else:
            layer.add_file(source, path, Path(source), owner=owner)
    below = {path.lstrip("/"): Path(source) for path, source, _ in recipe["below"]}
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
    except (LayerError, deb.DebError) as error:
        print(f"{recipe['label']}: {error}", file=sys.stderr)
        return 1
    descriptor.write_text(json.dumps(described))
    told.write(contents)
    return 0


if __name__ == "__main__":
    worker.run(main)
