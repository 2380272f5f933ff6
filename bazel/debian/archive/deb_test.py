"""Packages as Debian and others pack them, and files that are none."""

import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest

from bazel.debian.archive import deb


def tar(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def ar(members: dict[str, bytes]) -> bytes:
    packed = b"!<arch>\n"
    for name, body in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n"
        packed += header.encode() + body + b"\n" * (len(body) % 2)
    return packed


CONTROL = tar({"control": "Package: box\nVersion: 1\n", "md5sums": "aa  usr/bin/box\n"})
DATA = tar({"usr/bin/box": "#!"})


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("data.tar.xz", lzma.compress(DATA)),
        ("data.tar.gz", gzip.compress(DATA)),
        ("data.tar", DATA),
    ],
)
def test_a_package_is_read(tmp_path: Path, name: str, data: bytes) -> None:
    members = {"debian-binary": b"2.0\n", "control.tar.xz": lzma.compress(CONTROL)}
    path = tmp_path / "box.deb"
    path.write_bytes(ar(members | {name: data}))
    package = deb.read(path)
    assert (package.name, package.md5sums) == ("box", {"usr/bin/box": "aa"})
    with package.data as files:
        assert [deb.content(package, member) for member in files] == [b"#!"]


@pytest.mark.parametrize(
    ("package", "says"),
    [
        (b"", "x.deb is no Debian package"),
        (ar({"debian-binary": b"2.0\n"}), "x.deb holds no data.tar"),
        (ar({"data.tar.zst": b"?"}), "x.deb holds data.tar.zst: only xz, gzip"),
        (ar({"data.tar.xz": b"?" * 600}), "x.deb is damaged: data.tar.xz: "),
        (ar({"data.tar": DATA})[:-1], "x.deb is damaged: the member data.tar ends after the file"),
        (
            ar({"debian-binary": b"2.0\n"}) + b"0" * 60,
            "x.deb is damaged: no member header at byte 72",
        ),
        (ar({"debian-binary": b"2.0\n"}) + b"0", "x.deb is damaged: no member header at byte 72"),
    ],
)
def test_what_is_no_package_is_told(package: bytes, says: str) -> None:
    with pytest.raises(deb.DebError, match=says):
        deb.open_tar(io.BytesIO(package), "data", "x.deb")
