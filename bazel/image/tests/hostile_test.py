"""Images that were made to reach what lies outside of them, on the machine that runs them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from bazel.image.base.processes import UserError
from bazel.image.oci import layout
from bazel.image.oci.layout import Image
from bazel.image.run import contract, elf, run, runtime, sandbox
from bazel.image.tests.users import SMALL, children

# A path is a folder with a slash at its end; what it holds is text, a link's target, or a mode.
Entry = tuple[str, str | int]


def link(path: str, target: object) -> Entry:
    return path, f"-> {target}"


def archive(entries: list[Entry]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, holds in entries:
            info = tarfile.TarInfo(path)
            if isinstance(holds, int):
                info.type, info.mode = tarfile.DIRTYPE, holds
            elif holds.startswith("-> "):
                info.type, info.linkname = tarfile.SYMTYPE, holds.removeprefix("-> ")
            else:
                info.size = len(holds)
            tar.addfile(info, io.BytesIO(str(holds).encode()))
    return out.getvalue()


def image_of(
    folder: Path,
    layers: list[list[Entry]],
    config: dict[str, Any] | None = None,
    base: bool = False,
) -> Image:
    """An image of these layers, on those of a small server or on nothing."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    small = Image(SMALL)
    described: dict[str, Any] = {"config": {}, "rootfs": {"diff_ids": []}}
    manifest: dict[str, Any] = {"layers": []}
    if base:
        described = json.loads(json.dumps(small.config))
        manifest["layers"] = list(small.layers)
        for layer in small.layers:
            blob(small.blob(layer["digest"]).read_bytes())
    for entries in layers:
        data = archive(entries)
        described["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(data).hexdigest())
        packed = blob(gzip.compress(data, mtime=0))
        manifest["layers"].append({"mediaType": "application/x.tar+gzip", **packed})
    described["config"] |= config or {}
    manifest["config"] = blob(json.dumps(described).encode())
    index = {"manifests": [blob(json.dumps(manifest).encode())]}
    (folder / "index.json").write_text(json.dumps(index))
    return Image(folder)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """What of the machine an image may not touch."""
    folder = tmp_path / "host"
    (folder / "kept").mkdir(parents=True, mode=0o700)
    (folder / "secret").write_text("of the machine")
    return folder


def facts(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.read_text() if path.is_file() else "",
        )
        for path in folder.rglob("*")
    }


def test_modes_of_folders_are_not_set_through_a_link(tmp_path: Path, host: Path) -> None:
    before = facts(host)
    layers: list[list[Entry]] = [[("a", 0o755), ("a/kept", 0o777)], [link("a", host)]]
    layout.unpack(image_of(tmp_path / "image", layers), tmp_path / "root")
    assert (tmp_path / "root/a").is_symlink()
    assert facts(host) == before


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([link("./", "{host}"), ("secret", "mine")], "is the image's root, and no folder"),
        ([("../host/secret", "mine"), (".wh...", "")], "deletes what is no file of the image"),
        ([("a", 0o755), ("a/.wh..", "")], "deletes what is no file of the image"),
        ([("a", 0o755), ("a/.wh.", "")], "deletes what is no file of the image"),
        ([link("a", "b"), link("b", "a"), ("a/c", "x")], "goes in circles"),
    ],
)
def test_what_leads_out_is_refused(
    tmp_path: Path, host: Path, entries: list[Entry], says: str
) -> None:
    before = facts(host)
    entries = [
        (path, str(holds).format(host=host) if isinstance(holds, str) else holds)
        for path, holds in entries
    ]
    with pytest.raises(layout.ImageError, match=says):
        layout.unpack(image_of(tmp_path / "image", [entries]), tmp_path / "root")
    assert facts(host) == before


def test_a_file_of_the_machine_keeps_no_promise_of_an_image(tmp_path: Path, host: Path) -> None:
    image = image_of(tmp_path / "image", [[link("note", host / "secret")]])
    layout.unpack(image, tmp_path / "root")
    terms = {"present": {"/note": {"contains": "of the machine"}}}
    held = contract.Contract(image, tmp_path / "root", terms)
    held.files["/note"] = (0, tarfile.TarInfo("note"))
    held.check_files()
    assert held.broken == ["/note does not contain 'of the machine'"]


def test_libraries_of_the_machine_are_not_read(tmp_path: Path, host: Path) -> None:
    (host / "plugin.so").symlink_to("/proc/self/exe")  # needs libraries, which no image here has
    layers: list[list[Entry]] = [[("a", 0o755), ("a/plugin.so", "text")], [link("a", host)]]
    layout.unpack(image_of(tmp_path / "image", layers), tmp_path / "root")
    assert elf.read(host / "plugin.so") is not None
    assert elf.missing(tmp_path / "root", ["/a/plugin.so"]) == {}


def test_users_of_the_machine_are_none_of_an_image(tmp_path: Path, host: Path) -> None:
    (host / "passwd").write_text("somebody:x:4711:4711::/:\nroot:x:zero\n")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").symlink_to(host / "passwd")
    with pytest.raises(UserError, match="somebody is not in its /etc/passwd"):
        sandbox.user_of(root, "somebody")
    (root / "etc/passwd").unlink()
    (root / "etc/users").write_text((host / "passwd").read_text())
    (root / "etc/passwd").symlink_to("/etc/users")  # a link within the image counts
    assert sandbox.user_of(root, "somebody") == (4711, 4711, "/")


def test_volumes_are_made_within_the_image(tmp_path: Path, host: Path) -> None:
    before = facts(host)
    config: dict[str, Any] = {"Volumes": {"/out/made": {}, "/tmp/../out/too": {}}}
    image = image_of(tmp_path / "image", [[link("out", host)]], config)
    with run.unpacked(image, "test", tmp_path / "cache") as root:
        assert layout.resolved(root, "/out/made").is_dir()
        assert layout.resolved(root, "/out/made").is_relative_to(root)
    assert facts(host) == before


def test_links_in_a_volume_stay_links(tmp_path: Path, host: Path) -> None:
    """What one leads to on the machine is not bound into the image."""
    entries: list[Entry] = [link("models/secret", host / "secret"), ("models/note", "mine")]
    image = image_of(tmp_path / "image", [entries], base=True)
    with runtime.Container(image.layout, cache=tmp_path / "cache") as container:
        container.wait_ready("/")
        inside = Path(f"/proc/{children(container.pid)[-1]}/root")
        assert os.readlink(inside / "models/secret") == str(host / "secret")  # noqa: PTH115
        assert (inside / "models/note").read_text() == "mine"
        assert container.stop() == 0


def test_a_config_gives_bubblewrap_no_flags(tmp_path: Path, host: Path) -> None:
    config = {"Env": [f"A=b\0--bind\0{host}\0/app"]}
    image = image_of(tmp_path / "image", [[]], config, base=True)
    container = runtime.Container(image.layout, cache=tmp_path / "cache")
    assert container.wait() == 1
    assert "the image's config has a NUL byte" in container.stderr
