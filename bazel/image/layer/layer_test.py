"""Tests of the layer tool: what goes in, what stays out, and that the bytes are stable."""

from __future__ import annotations

import base64
import ftplib
import gzip
import hashlib
import io
import json
import marshal
import os
import random
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bazel.debian.archive import deb
from bazel.image.layer import compress, layer, layer_contents
from bazel.image.layer.entries import CHUNK, LayerError
from bazel.image.layer.gzip_blocks import BLOCK, GzipWriter


class Hard(str):
    """The target of a hard link."""


Files = dict[str, bytes | str | int]  # content, link target or mode of a folder


def tar_of(files: Files, compression: str = "xz", modes: dict[str, int] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:" + compression) as archive:  # type: ignore[call-overload]
        for name, value in files.items():
            info = tarfile.TarInfo("./" + name)
            info.mtime, info.uname = 1_700_000_000, "builder"
            info.mode = (modes or {}).get(name, 0o644)
            if isinstance(value, bytes):
                info.size = len(value)
                archive.addfile(info, io.BytesIO(value))
                continue
            if isinstance(value, int):
                info.type, info.mode = tarfile.DIRTYPE, value
            elif isinstance(value, Hard):
                info.type, info.linkname = tarfile.LNKTYPE, f"./{value}"
            else:
                info.type, info.linkname = tarfile.SYMTYPE, value
            archive.addfile(info)
    return out.getvalue()


def make_deb(path: Path, files: Files, modes: dict[str, int] | None = None, sums: str = "") -> Path:
    control = f"Package: {path.stem}\nVersion: 1\nDescription: of a test\n"
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": tar_of({"control": control.encode(), "md5sums": sums.encode()}),
        "data.tar.xz": tar_of(files, modes=modes),
    }
    with path.open("wb") as out:
        out.write(b"!<arch>\n")
        for name, content in parts.items():
            out.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode())
            out.write(content + b"\n" * (len(content) % 2))
    return path


def recipe(**given: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {key: {} for key in ("dirs", "modes", "symlinks", "texts")}
    empty |= {"python_programs": {}, "compile_python": False, "wheel_folder": "site"}
    lists = ("below", "debs", "drop", "exclude", "files", "keep", "scripts", "wheels")
    empty |= {key: [] for key in lists}
    for key in ("below", "files"):  # of an action, where it is not said
        given[key] = [[*entry, True][:3] for entry in given.get(key, [])]
    return empty | {"owner": "0:0", "label": "//a:b"} | given


def write(**given: Any) -> bytes:
    out = io.BytesIO()
    layer.build(recipe(**given)).write(out)
    return out.getvalue()


def entries(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: member for member in archive}


def content(data: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read()


def test_packages_are_merged_and_trimmed(tmp_path: Path) -> None:
    files: Files = {
        "lib": 0o755,
        "lib/x86_64-linux-gnu": 0o755,
        "lib/x86_64-linux-gnu/libc.so.6": b"ELF",
        "lib64/ld-linux.so.2": "/lib/x86_64-linux-gnu/ld.so",
        "usr/bin/tool": b"program",
        "usr/share/doc/one/copyright": b"free",
        "usr/share/doc/one/changelog.gz": b"old",
        "usr/share/doc/one/examples/copyright": b"example",
        "usr/share/doc/two": "one",
        "usr/share/man/man1/tool.1.gz": b"page",
        "usr/share/locale/de/tool.mo": b"Wort",
        "var/empty": 0o755,
        "var/shared": 0o2775,
    }
    sums = "0c  lib/x86_64-linux-gnu/libc.so.6\n0d  usr/share/man/man1/tool.1.gz\n"
    package = make_deb(tmp_path / "one.deb", files, {"usr/bin/tool": 0o4755}, sums)
    data = write(debs=[str(package)])
    found = entries(data)
    assert [name for name, info in found.items() if not info.isdir()] == [
        "lib",
        "lib64",
        "usr/bin/tool",
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        "usr/lib64/ld-linux.so.2",
        "usr/share/doc/one/copyright",
        "usr/share/doc/two",
        "var/lib/dpkg/status.d/one",
        "var/lib/dpkg/status.d/one.md5sums",
    ]
    assert found["lib"].linkname == "usr/lib"
    assert found["usr/bin/tool"].mode == 0o755, "setuid is dropped"
    assert found["var/shared"].mode == 0o775
    assert found["var/empty"].isdir()
    assert content(data, "var/lib/dpkg/status.d/one").startswith(b"Package: one\nVersion: 1\n")
    # What the package's own list leaves out is in it too.
    lines = content(data, "var/lib/dpkg/status.d/one.md5sums").decode().splitlines()
    tool = hashlib.md5(b"program").hexdigest()
    assert f"{tool}  usr/bin/tool" in lines
    assert "0c  usr/lib/x86_64-linux-gnu/libc.so.6" in lines
    assert len(lines) == 3
    for info in found.values():
        assert (info.mtime, info.uid, info.gid, info.uname) == (0, 0, 0, "")


def test_hard_links_are_files(tmp_path: Path) -> None:
    files: Files = {
        "usr/share/doc/one/model.bin": b"weights",  # unread, and so left out
        "usr/lib/one/model.bin": Hard("usr/share/doc/one/model.bin"),
        "usr/lib/one/same.bin": Hard("usr/lib/one/model.bin"),
    }
    package = make_deb(tmp_path / "one.deb", files, {"usr/lib/one/same.bin": 0o755})
    data = write(debs=[str(package)])
    assert content(data, "usr/lib/one/model.bin") == b"weights"
    assert content(data, "usr/lib/one/same.bin") == b"weights"
    assert entries(data)["usr/lib/one/same.bin"].mode == 0o755
    sums = content(data, "var/lib/dpkg/status.d/one.md5sums").decode()
    assert sums.count(hashlib.md5(b"weights").hexdigest()) == 2

    lost: Files = {"usr/lib/a": Hard("usr/lib/b"), "usr/lib/b": b"too late"}
    with pytest.raises(deb.DebError, match=r"usr/lib/a of two is a hard link to \./usr/lib/b"):
        write(debs=[str(make_deb(tmp_path / "two.deb", lost))])


def test_folders_that_a_package_has_empty_are_kept(tmp_path: Path) -> None:
    files: Files = {
        "usr/share": 0o755,
        "usr/share/dict": 0o755,
        "usr/share/doc": 0o755,
        "usr/share/doc/one": 0o755,
        "usr/share/doc/one/changelog.gz": b"old",
        "usr/share/man": 0o755,
        "usr/share/man/man1": 0o755,
        "usr/share/private": 0o700,
        "usr/share/private/key": b"k",
    }
    found = entries(write(debs=[str(make_deb(tmp_path / "one.deb", files))]))
    share = [name for name in found if name.startswith("usr/share/")]
    assert share == ["usr/share/dict", "usr/share/private", "usr/share/private/key"]
    assert found["usr/share/private"].mode == 0o700


def test_nothing_leads_out_of_the_image(tmp_path: Path) -> None:
    package = make_deb(tmp_path / "one.deb", {"../../etc/passwd": b"root::0:0"})
    message = r"one has the path \.\./\.\./etc/passwd: `\.\.` leads out of the image"
    with pytest.raises(LayerError, match=message):
        write(debs=[str(package)])
    with pytest.raises(LayerError, match="leads out of the image"):
        write(texts={"app/../../note": ""})


def make_tree(root: Path) -> Path:
    for name in ("bin/tool", "lib/data"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
    (root / "bin/tool").chmod(0o750)
    (root / "bin/other").symlink_to("tool")
    (root / "current").symlink_to("lib")
    (root / "spool/in").mkdir(parents=True)
    return root


def test_a_tree_of_sources_is_kept_as_it_is(tmp_path: Path) -> None:
    data = write(files=[["opt", str(make_tree(tmp_path / "tree")), False]], owner="7:8")
    found = entries(data)
    facts = {name: (info.type, info.mode, info.linkname) for name, info in found.items()}
    assert facts == {
        "opt": (tarfile.DIRTYPE, 0o755, ""),
        "opt/bin": (tarfile.DIRTYPE, 0o755, ""),
        "opt/bin/other": (tarfile.SYMTYPE, 0o777, "tool"),
        "opt/bin/tool": (tarfile.REGTYPE, 0o755, ""),
        "opt/current": (tarfile.SYMTYPE, 0o777, "lib"),
        "opt/lib": (tarfile.DIRTYPE, 0o755, ""),
        "opt/lib/data": (tarfile.REGTYPE, 0o644, ""),
        "opt/spool": (tarfile.DIRTYPE, 0o755, ""),
        "opt/spool/in": (tarfile.DIRTYPE, 0o755, ""),
    }
    assert found["opt/spool/in"].uid == 7


def test_of_a_tree_that_an_action_made_the_files_count(tmp_path: Path) -> None:
    """Bazel hands on no more, and what it hands on is executable, and a link at times."""
    tree = make_tree(tmp_path / "tree")
    with pytest.raises(LayerError, match=r"spool/in is empty, .* leave it out by `drop`"):
        write(files=[["opt", str(tree)]])
    data = write(files=[["opt", str(tree)]], drop=["/spool/*"], modes={"opt/bin/tool": "0755"})
    files = {name: info.mode for name, info in entries(data).items() if not info.isdir()}
    assert files == {
        "opt/bin/other": 0o644,
        "opt/bin/tool": 0o755,
        "opt/current/data": 0o644,
        "opt/lib/data": 0o644,
    }
    assert content(data, "opt/bin/other") == b"bin/tool"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "sub/../../x"])
def test_a_link_out_of_a_tree_is_an_error(tmp_path: Path, target: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(target)
    with pytest.raises(LayerError, match=rf"link is a link to {target}, which is not in"):
        write(files=[["opt", str(tree), False]])
    with pytest.raises(LayerError, match=rf"link is a link to {target}, which is not in"):
        write(wheels=[str(tree)])


def test_certificates_become_one_bundle(tmp_path: Path) -> None:
    prefix = "usr/share/ca-certificates/mozilla/"
    files: Files = {prefix + "B.crt": b"b\n", prefix + "A.crt": b"a", prefix + "note": b"?"}
    package = make_deb(tmp_path / "ca-certificates.deb", files)
    data = write(debs=[str(package)], exclude=["usr/share/ca-certificates/*"])
    assert content(data, layer.BUNDLE) == b"a\nb\n"
    assert not [name for name in entries(data) if name.endswith(".crt") and "mozilla" in name]


def test_order_of_inputs_and_clock_do_not_matter(tmp_path: Path) -> None:
    one = make_deb(tmp_path / "one.deb", {"usr/lib/a": b"a", "usr/lib/b": b"b"})
    two = make_deb(tmp_path / "two.deb", {"usr/lib/b": b"b", "etc/c": b"c"})
    tree = tmp_path / "tree"
    for name in ("z", "sub/y", "x"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    first = write(debs=[str(one), str(two)], files=[["opt", str(tree)]])
    os.utime(tree / "x", (1, 1))
    (tree / "z").chmod(0o700)
    assert write(debs=[str(two), str(one)], files=[["/opt", str(tree)]]) == first
    names = list(entries(first))
    assert names == sorted(names, key=lambda name: name.split("/"))


def test_files_modes_owners(tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_bytes(b"x")
    data = write(
        files=[["app/bin/program", str(source)], ["app/data", str(source)]],
        modes={"/app/bin/program": "0755"},
        dirs={"tmp": "1777", "logs": "0750 65532:65533"},
        symlinks={"app/link": "bin/program"},
        texts={"etc/note": "hello\n"},
        owner="7:8",
    )
    found = entries(data)
    facts = {name: (info.mode, info.uid, info.gid) for name, info in found.items()}
    assert facts["app"] == (0o755, 0, 0), "parent folders are root's"
    assert facts["app/bin/program"] == (0o755, 7, 8)
    assert facts["app/data"] == (0o644, 7, 8)
    assert facts["logs"] == (0o750, 65532, 65533)
    assert facts["tmp"] == (0o1777, 7, 8)
    assert found["app/link"].linkname == "bin/program"
    assert content(data, "etc/note") == b"hello\n"


def test_a_source_that_is_executable_stays_so(tmp_path: Path) -> None:
    """By itself as in a folder; of what an action made, `modes` says it."""
    source = tmp_path / "run"
    source.write_text("#!/bin/sh\n")
    source.chmod(0o750)
    files = [["a", str(source), False], ["b", str(source), False], ["made", str(source), True]]
    found = entries(write(files=files, modes={"b": "0644"}))
    assert {name: info.mode for name, info in found.items()} == {
        "a": 0o755,
        "b": 0o644,
        "made": 0o644,
    }


def test_conflicts_are_named(tmp_path: Path) -> None:
    one = make_deb(tmp_path / "one.deb", {"etc/same": b"1"})
    two = make_deb(tmp_path / "two.deb", {"etc/same": b"2"})
    with pytest.raises(LayerError, match="/etc/same comes both from one and from two"):
        write(debs=[str(one), str(two)])
    with pytest.raises(LayerError, match="no folder"):
        write(texts={"a": "", "a/b": ""})
    with pytest.raises(LayerError, match="say it in one place"):
        write(debs=[str(make_deb(tmp_path / "three.deb", {"tmp": 0o1777}))], dirs={"tmp": "0700"})
    with pytest.raises(LayerError, match="no such file"):
        write(modes={"typo": "0755"})


def test_packages_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "page.deb"
    path.write_bytes(b"<html>")
    with pytest.raises(deb.DebError, match="no Debian package"):
        deb.read(path)
    whole = make_deb(path, {"a": b"b"}).read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(deb.DebError, match="is damaged"):
        deb.read(path)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_gzip_is_the_same_on_any_number_of_threads(size: int) -> None:
    data = random.Random(size).randbytes(size // 2) + b"text " * size
    data = data[:size]
    results = set()
    for threads in (1, 2, 5):
        out = io.BytesIO()
        with GzipWriter(out, threads) as writer:
            for at in range(0, size, 10_240):
                writer.write(data[at : at + 10_240])
        results.add(out.getvalue())
    (result,) = results
    assert gzip.decompress(result) == data
    assert result[4:8] == b"\0\0\0\0", "no time"


@pytest.mark.parametrize("size", [0, 1, (1 << 25) + 7])
def test_zstd_is_the_same_on_any_number_of_threads(size: int) -> None:
    """The biggest is cut into several jobs."""
    data = (random.Random(size).randbytes(size // 2) + b"text " * size)[:size]
    results = set()
    for threads, chunk in ((1, 1 << 20), (2, 100_003), (5, 1 << 22)):
        out = io.BytesIO()
        with compress.writer("zstd", out, threads) as writer:
            for at in range(0, size, chunk):
                writer.write(data[at : at + chunk])
        results.add(out.getvalue())
    (result,) = results
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(result)) as reader:
        assert reader.read() == data


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_is_told_of_a_layer_is_what_was_written(tmp_path: Path, compression: str) -> None:
    big = tmp_path / "big"
    big.write_bytes(random.Random(0).randbytes(3 * CHUNK + 1))
    site = make_wheel(tmp_path / "site-packages")
    package = make_deb(tmp_path / "one.deb", {"usr/share/doc/one/copyright": b"free"})
    recipe_file, out = tmp_path / "recipe.json", tmp_path / "layer.tar"
    given = recipe(
        compression=compression,
        debs=[str(package)],
        files=[["app/big", str(big)]],
        symlinks={"usr/share/doc/two": "one"},
        wheels=[str(site)],
    )
    recipe_file.write_text(json.dumps(given))
    told, described = tmp_path / "contents.json", tmp_path / "descriptor.json"
    assert layer.main([str(path) for path in (recipe_file, out, described, told)]) == 0

    packed = out.read_bytes()
    plain = io.BytesIO()
    if compression == "zstd":
        zstandard.ZstdDecompressor().copy_stream(io.BytesIO(packed), plain)
    else:
        plain.write(gzip.decompress(packed))
    digest, diff_id = (
        "sha256:" + hashlib.sha256(data).hexdigest() for data in (packed, plain.getvalue())
    )
    assert json.loads(described.read_text()) == {
        "compression": compression,
        "diff_id": diff_id,
        "digest": digest,
        "size": len(packed),
    }
    contents = layer_contents.load(told)
    assert (contents.digest, contents.diff_id) == (digest, diff_id)
    assert contents.doc_links == {"usr/share/doc/two": "usr/share/doc/one"}
    files = {
        name: (entry.size, hashlib.sha256(content(plain.getvalue(), name)).hexdigest())
        for name, entry in entries(plain.getvalue()).items()
        if entry.isreg()
    }
    assert contents.files == files
    assert contents.texts == {
        name: content(plain.getvalue(), name).decode()
        for name in (
            "site/mine-1.dist-info/METADATA",
            "site/mine-1.dist-info/RECORD",
            "usr/share/doc/one/copyright",
            "var/lib/dpkg/status.d/one",
            "var/lib/dpkg/status.d/one.md5sums",
        )
    }


# Wheels


def make_wheel(site: Path) -> Path:
    files = {
        "bin/tool": "#!python\nprint()\n",
        "mine/__init__.py": "",
        "mine/__pycache__/__init__.cpython-311.pyc": "compiled",
        "mine/code.c": "int x;",
        "mine/lib.so": "whole",
        "mine/tests/test_mine.py": "",
        "mine-1.dist-info/METADATA": "Name: mine\nVersion: 1\n",
        "mine-1.dist-info/RECORD": "mine/__init__.py,sha256=x,0\n",
        "mine-1.dist-info/entry_points.txt": "[console_scripts]\nrun-mine = mine:group.main [x]\n",
        "share/mine/data": "data",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    return site


def test_a_wheel_is_installed_as_by_pip_and_record_tells_of_what_is_there(tmp_path: Path) -> None:
    site = make_wheel(tmp_path / "site-packages")
    stripped = tmp_path / "lib.so"
    stripped.write_text("stripped")
    folder = "usr/local/lib/python3.11/dist-packages"
    data = write(
        wheels=[str(site)],
        wheel_folder=folder,
        drop=["*/tests/*", "*.c"],
        below=[[f"{folder}/mine/lib.so", str(stripped)]],
        scripts=["run-mine"],
    )
    files = {name: entry.mode for name, entry in entries(data).items() if entry.isreg()}
    assert files == {
        "usr/local/bin/run-mine": 0o755,
        "usr/local/bin/tool": 0o755,
        f"{folder}/mine/__init__.py": 0o644,
        f"{folder}/mine/__pycache__/__init__.cpython-311.pyc": 0o644,
        f"{folder}/mine-1.dist-info/METADATA": 0o644,
        f"{folder}/mine-1.dist-info/RECORD": 0o644,
        f"{folder}/mine-1.dist-info/entry_points.txt": 0o644,
        "usr/local/share/mine/data": 0o644,
    }
    assert content(data, "usr/local/bin/tool").startswith(b"#!/usr/bin/python3\n")
    assert b"sys.exit(group.main())" in content(data, "usr/local/bin/run-mine")
    rows = content(data, f"{folder}/mine-1.dist-info/RECORD").decode().splitlines()
    recorded = {row.split(",")[0]: row.split(",")[1:] for row in rows}
    there = {os.path.relpath(name, folder) for name in files if "__pycache__" not in name}
    assert set(recorded) == there | {"mine/lib.so"}
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"stripped").digest()).rstrip(b"=").decode()
    assert recorded["mine/lib.so"] == [f"sha256={digest}", "8"]


def test_a_wheel_keeps_what_may_be_executed_and_links(tmp_path: Path) -> None:
    """As pip does: one may execute a file or not; more of its mode is not the wheel's."""
    site = make_wheel(tmp_path / "site-packages")
    (site / "mine/lib.so").chmod(0o600)
    (site / "mine/server").write_text("ELF")
    (site / "mine/server").chmod(0o711)
    (site / "mine/current.so").symlink_to("lib.so")
    (site / "mine/shared").symlink_to("../share/mine")
    data = write(wheels=[str(site)], wheel_folder="usr/local/lib/python3.11/dist-packages")
    found = entries(data)
    folder = "usr/local/lib/python3.11/dist-packages/mine"
    assert found[f"{folder}/server"].mode == 0o755
    assert found[f"{folder}/lib.so"].mode == 0o644
    assert found[f"{folder}/current.so"].linkname == "lib.so"
    # What it leads to lies elsewhere in the image.
    assert found[f"{folder}/shared"].linkname == "../../../../share/mine"
    record = content(data, f"{folder}-1.dist-info/RECORD").decode().splitlines()
    assert "mine/current.so,," in record
    assert "mine/shared,," in record


def test_a_console_script_that_no_wheel_has_is_an_error(tmp_path: Path) -> None:
    site = make_wheel(tmp_path / "site-packages")
    with pytest.raises(LayerError, match="no wheel of this layer has the console script x"):
        write(wheels=[str(site)], scripts=["x"])


# Python


def test_modules_are_compiled_once_and_python_trusts_it(tmp_path: Path) -> None:
    source = tmp_path / "mine.py"
    source.write_text("def answer():\n    return 42\n")
    broken = tmp_path / "template.py"
    broken.write_text("{% not python %}")
    files = [["app/mine.py", str(source)], ["app/template.py", str(broken)]]
    data = write(files=files, compile_python=True, python_programs={"app/bin/mine": "mine"})
    compiled = content(data, "app/__pycache__/mine.cpython-311.pyc")
    assert "app/__pycache__/template.cpython-311.pyc" not in entries(data)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.pyc").write_bytes(compiled)
    command = [sys.executable, "-c", "import mine; print(mine.answer(), mine.answer.__code__)"]
    env = os.environ | {"PYTHONPATH": str(tmp_path / "out")}
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    assert said.startswith("42 ")
    assert content(data, "app/bin/mine").startswith(b"#!/usr/bin/python3\n")


def test_what_is_no_python_has_no_byte_code_and_a_failure_has_the_files_name(
    tmp_path: Path,
) -> None:
    # The parser runs out of memory over the last.
    sources = {"template": "x = {{ % }}\n", "nul": "\0", "sum": "x = 1" + " + 1" * 20_000 + "\n"}
    for name, text in (sources | {"deep": "-" * 100_000 + "1\n"}).items():
        (tmp_path / name).write_text(text)
    files = [[f"{name}.py", str(tmp_path / name)] for name in sources]
    found = entries(write(files=files, compile_python=True))
    assert list(found) == ["nul.py", "sum.py", "template.py"]
    files.append(["deep.py", str(tmp_path / "deep")])
    with pytest.raises(RuntimeError, match=r"(?s)MemoryError.*/deep.py: the process that compiles"):
        write(files=files, compile_python=True)


def test_byte_code_depends_on_the_source_alone(tmp_path: Path) -> None:
    """Not on what the worker, or this compilation, has seen before."""
    source = Path(ftplib.__file__).read_bytes()
    here = marshal.dumps(compile(source, "/app/it.py", "exec", dont_inherit=True, optimize=0))
    (tmp_path / "it.py").write_bytes(source)
    alone = write(files=[["app/it.py", str(tmp_path / "it.py")]], compile_python=True)
    compiled = content(alone, "app/__pycache__/it.cpython-311.pyc")
    assert compiled[16:] != here, "this process, which has ftplib, compiles it to other bytes"

    files = [["app/it.py", str(tmp_path / "it.py")]]
    for name in ("before", "second", "third", "zlast"):
        (tmp_path / name).write_bytes(source)
        files.append([f"app/{name}.py", str(tmp_path / name)])
    among = write(files=files, compile_python=True)
    assert content(among, "app/__pycache__/it.cpython-311.pyc") == compiled
