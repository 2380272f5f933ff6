"""Images that others made do not keep who verifies them busy for ever, and take no memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from bazel.image.attest import contents, debian, wheels
from bazel.image.base.processes import UserError
from bazel.image.oci.artifacts import Layout
from bazel.image.oci.layout import CHUNK, Image, ImageError, Json, Limits
from bazel.image.push import verify
from bazel.oci.layout import OCI_MANIFEST

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
SMALL = Limits(unpacked=CHUNK, entries=100, text=1000, texts=5000)


def entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info.tobuf(tarfile.GNU_FORMAT)


def file(name: str, content: bytes) -> bytes:
    return entry(name, len(content)) + content + b"\0" * (-len(content) % 512)


def link(name: str, target: str) -> bytes:
    return entry(name, kind=tarfile.SYMTYPE, link=target)


def image(folder: Path, *layers: bytes) -> Image:
    layout = Layout(folder / "image")
    blobs = [layout.blob(LAYER, gzip.compress(layer, 1)) for layer in layers]
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    config: Json = {"rootfs": {"type": "layers", "diff_ids": diff_ids}}
    media_type = "application/vnd.oci.image.config.v1+json"
    manifest = {"config": layout.json(media_type, config), "layers": blobs}
    layout.finish(layout.json(OCI_MANIFEST, manifest))
    return Image(folder / "image")


def refused(hostile: Image, words: str, limits: Limits = SMALL) -> None:
    with pytest.raises(ImageError, match=words):
        contents.read(hostile, limits)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    doc = "usr/share/doc"
    circle = link(f"{doc}/a", "b") + link(f"{doc}/b", "a") + link(f"{doc}/c", "c")
    layers = contents.read(image(tmp_path, circle))
    assert contents.merge(layers) == ({}, {})


def test_what_is_kept_in_memory_is_bounded(tmp_path: Path) -> None:
    status = file("var/lib/dpkg/status.d/x", b" " * 1001)
    refused(image(tmp_path / "one", status), "/var/lib/dpkg/status.d/x of 1,001 bytes is too much")
    many = b"".join(file(f"var/lib/dpkg/status.d/{n}", b" " * 900) for n in range(6))
    refused(image(tmp_path / "many", many), "/var/lib/dpkg/status.d/5 of 900 bytes is too much")
    names = b"".join(
        entry("@LongLink", 601, tarfile.GNUTYPE_LONGNAME)
        + (f"{n}".encode() * 600 + b"\0").ljust(1024, b"\0")
        + entry("x")
        for n in range(9)
    )
    refused(image(tmp_path / "names", names), "is too much to remember")


def test_a_bomb_is_not_unpacked_to_its_end(tmp_path: Path) -> None:
    refused(image(tmp_path / "file", file("bomb", bytes(2 * CHUNK))), "more than 1,048,576 bytes")
    # Behind the end of the archive, where no entry is.
    refused(image(tmp_path / "end", bytes(2 * CHUNK)), "more than 1,048,576 bytes unpacked")
    apart = [file(f"part{n}", bytes(CHUNK // 3)) for n in range(4)]
    refused(image(tmp_path / "apart", *apart), "layer 2 .* has more than [0-9,]+ bytes unpacked")


def test_entries_are_counted(tmp_path: Path) -> None:
    refused(image(tmp_path, b"".join(entry(f"{n}") for n in range(101))), "more than 100 entries")


def test_layers_are_counted(tmp_path: Path) -> None:
    refused(image(tmp_path, *[entry("x")] * 3), "more than 2 layers", Limits(layers=2))


def test_a_header_for_all_entries_is_refused(tmp_path: Path) -> None:
    """What it says was copied for each entry behind it."""
    record = b"11 path=xy\n"
    header = entry("x", len(record), tarfile.XGLTYPE) + record.ljust(512, b"\0")
    refused(image(tmp_path, header + entry("y")), "damaged: a header for all entries")


@pytest.mark.parametrize("size", [(64 << 10) + 1, 1 << 40])
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_is_not_read_whole(tmp_path: Path, kind: bytes, size: int) -> None:
    data = entry("x", size, kind) + bytes(128 << 10)
    refused(image(tmp_path, data), f"damaged: a header of {size} bytes")


def test_headers_within_headers_end(tmp_path: Path) -> None:
    record = b"11 path=xy\n"
    deep = (entry("x", len(record), tarfile.XHDTYPE) + record.ljust(512, b"\0")) * 5000
    refused(image(tmp_path, deep), "is damaged", Limits())


def test_a_sparse_file_of_any_size_is_refused(tmp_path: Path) -> None:
    record = b"".join(
        sized(f"GNU.sparse.{key}={value}\n")
        for key, value in {"major": 1, "minor": 0, "name": "big", "realsize": 1 << 60}.items()
    )
    # As many pieces as it likes: none of them may be read.
    map_ = b"100000000\n0\n0\n".ljust(512, b"\0")
    pax = entry("x", len(record), tarfile.XHDTYPE) + record.ljust(512, b"\0")
    refused(image(tmp_path / "pax", pax + entry("x", 512) + map_), "damaged: a sparse file")
    old = entry("x", 0, tarfile.GNUTYPE_SPARSE)
    refused(image(tmp_path / "old", old), "damaged: a sparse file")


def sized(text: str) -> bytes:
    """A record of a pax header: it begins with its own length."""
    size = len(text) + 3
    return f"{size} {text}".encode()


def test_a_long_path_is_refused(tmp_path: Path) -> None:
    path = ("a/" * 3000).encode() + b"\0"
    data = entry("@LongLink", len(path), tarfile.GNUTYPE_LONGNAME)
    data += path.ljust(6144, b"\0") + entry("x")
    refused(image(tmp_path, data), "a path that is too long", Limits())


def test_a_deep_path_is_refused(tmp_path: Path) -> None:
    refused(image(tmp_path, file("a/" * 101 + "x", b"")), "a path that is too deep", Limits())


def test_links_that_follow_each_other_end(tmp_path: Path) -> None:
    """Each of them once walked all that come after it: 200 million steps here."""
    doc = "usr/share/doc"
    chain = b"".join(link(f"{doc}/{n}", f"{n + 1}") for n in range(20000))
    layers = contents.read(image(tmp_path, chain + file(f"{doc}/20000/copyright", b"MIT")))
    _, texts = contents.merge(layers)
    assert f"{doc}/19999/copyright" in texts
    assert f"{doc}/0/copyright" not in texts


def test_each_file_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many layers above remove something."""
    above = [entry(f"{n}/.wh.x") for n in range(20)]
    layers = contents.read(image(tmp_path, entry("0/x") + entry("y/x"), *above))
    looked_at: list[str] = []
    is_gone = contents._is_gone

    def counted(path: str, gone: set[str]) -> bool:
        looked_at.append(path)
        return is_gone(path, gone)

    monkeypatch.setattr(contents, "_is_gone", counted)
    files, _ = contents.merge(layers)
    assert files.keys() == {"y/x"}
    assert sorted(looked_at) == ["0/x", "y/x"]


def test_what_is_removed_tells_nothing(tmp_path: Path) -> None:
    status = "var/lib/dpkg/status.d"
    below = file(f"{status}/x", b"Package: x\nVersion: 1\n")
    layers = contents.read(image(tmp_path, below, entry(f"{status}/.wh.x")))
    assert contents.merge(layers) == ({}, {})


NO_LOCK: Json = {"packages": [], "wheels": []}


def test_files_are_listed_for_one_wheel(tmp_path: Path) -> None:
    """Any number of records of wheels each listed all files of the engine."""
    site = "app/site"
    part = b"Name: paddlepaddle\nVersion: 1\n"
    data = entry(f"{site}/paddle/x") + entry(f"{site}/paddle/y")
    data += file(f"{site}/a-1.dist-info/METADATA", b"Name: a\nVersion: 1\n")
    data += b"".join(file(f"{site}/p-{n}.dist-info/METADATA", part) for n in range(3))
    layers = contents.read(image(tmp_path, data))
    files, texts = contents.merge(layers)
    found = list(wheels.wheels_of(texts, NO_LOCK, files, "amd64"))
    engine = [len([p for p in w.files if f"{site}/paddle/" in p]) for w in found]
    assert [w.name for w in found] == ["a", "paddlepaddle", "paddlepaddle", "paddlepaddle"]
    assert engine == [0, 2, 0, 0]


def test_a_record_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row is kept behind the folder's name: a few bytes may make some thousand."""
    folder = "app/p-1.dist-info/"
    data = file(f"{folder}METADATA", b"Name: p\nVersion: 1\n")
    data += file(f"{folder}RECORD", b"".join(b"%d,,\n" % n for n in range(20)))
    files, texts = contents.merge(contents.read(image(tmp_path, data)))
    monkeypatch.setattr(wheels, "LIMITS", Limits(texts=2000))
    with pytest.raises(ImageError, match=r"what the RECORD beside .* lists is too much"):
        list(wheels.wheels_of(texts, NO_LOCK, files, "amd64"))


def test_many_whiteouts_and_models_take_no_time(tmp_path: Path) -> None:
    """Each of them once looked at every file: 400 million comparisons here."""
    below = b"".join(entry(f"d{n}/x") for n in range(20000))
    above = b"".join(entry(f"d{n}/.wh.x") for n in range(20000))
    files, _ = contents.merge(contents.read(image(tmp_path, below, above)))
    assert files == {}


def test_an_opaque_folder_hides_what_was_in_it(tmp_path: Path) -> None:
    below = entry("a/b/x") + entry("a/y") + entry("c")
    above = entry("a/z") + entry("a/.wh..wh..opq")
    files, _ = contents.merge(contents.read(image(tmp_path, below, above)))
    assert files.keys() == {"c", "a/z"}


def test_a_digest_is_no_path(tmp_path: Path) -> None:
    hostile = image(tmp_path)
    with pytest.raises(ImageError, match="which is no digest"):
        hostile.json("sha256:../../index.json")


@pytest.mark.parametrize("text", [b"[" * 100_000, b"{", b"\xff"])
def test_documents_that_are_no_json(tmp_path: Path, text: bytes) -> None:
    layout = Layout(tmp_path / "layout")
    layout.finish(layout.blob(OCI_MANIFEST, text))
    with pytest.raises(ImageError, match="is not JSON"):
        Image(tmp_path / "layout").manifest  # noqa: B018


def test_copyright_files_of_blanks_take_no_time() -> None:
    text = "Format: x\nLicense: MIT" + " " * 500_000 + "x\n"
    assert debian.licences_of(text) == ["MIT x"]


def test_names_do_not_move_the_cursor() -> None:
    verdict = verify.Verdict()
    verdict.say("layers", "hold \x1b[2Jx\udc80\r\n")
    assert verdict.lines == [("layers", "hold \ufffd[2Jx\ufffd\ufffd\ufffd")]


def test_programs_write_no_bigger_file_than_was_said(tmp_path: Path) -> None:
    with verify.files_up_to(1000), pytest.raises(OSError, match="File too large"):
        (tmp_path / "big").write_bytes(bytes(1001))
    (tmp_path / "big").write_bytes(bytes(1001))


def test_a_mistake_keeps_the_last_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vsa.jsonl").write_text("the last one\n")
    flags = ["--skopeo=x", "--docker-registry=x", f"--vsa={tmp_path}/vsa.jsonl"]
    monkeypatch.setattr(sys, "argv", ["verify", *flags, "no reference"])
    with pytest.raises(UserError, match="no reference is no reference"):
        verify.main()
    assert (tmp_path / "vsa.jsonl").read_text() == "the last one\n"


def test_an_image_as_it_should_be(tmp_path: Path) -> None:
    layers = contents.read(image(tmp_path, many_files(["a", "b/c"])), SMALL)
    assert layers[0].files.keys() == {"a", "b/c"}


def many_files(names: Iterable[str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return out.getvalue()
