"""What is in images and artifacts comes out as files."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

from bazel.image.oci import files
from bazel.image.oci.layout import Image, ImageError
from bazel.oci.layout import OCI_CONFIG, OCI_EMPTY, OCI_LAYER, OCI_MANIFEST, Json, Layout, sha256

TITLE, UNPACK = "org.opencontainers.image.title", "io.deis.oras.content.unpack"


def archive(entries: dict[str, bytes | str]) -> bytes:
    """A tar of files, and of links where a text is given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def layout(
    out: Path, *layers: tuple[str, bytes, Json], config: tuple[str, bytes] = (OCI_EMPTY, b"{}")
) -> Path:
    """A layout with layers of a media type, bytes and annotations."""
    writer = Layout(out)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": writer.blob(*config),
        "layers": [writer.blob(kind, data) | {"annotations": said} for kind, data, said in layers],
    }
    writer.finish(writer.json(OCI_MANIFEST, manifest))
    return out


def unpacked(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The files that the program makes, without the manifest, which must be there."""
    monkeypatch.setattr(sys, "argv", ["files", f"--layout={source}", f"--out={out}"])
    assert files.main() == 0
    found = {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }
    manifest = found.pop(files.MANIFEST)
    assert "sha256:" + hashlib.sha256(manifest).hexdigest() == Image(source).digest
    return found


def test_an_image_gives_what_its_uppermost_layers_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower = archive({"models/1/a": b"old", "models/1/b": b"b", "models/1/c": b"c"})
    upper = archive({"models/1/a": b"new", "models/1/.wh.c": b"", "models/1/l": "/models/1/b"})
    config = {"rootfs": {"type": "layers", "diff_ids": [sha256(lower), sha256(upper)]}}
    source = layout(
        tmp_path / "layout",
        (OCI_LAYER, lower, {}),
        (OCI_LAYER, upper, {}),
        config=(OCI_CONFIG, json.dumps(config).encode()),
    )
    found = unpacked(source, tmp_path / "out", monkeypatch)
    assert found == {"models/1/a": b"new", "models/1/b": b"b", "models/1/l": b"b"}


def test_an_artifact_of_oras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files have the type of an archive, folders say that they are one."""
    source = layout(
        tmp_path / "layout",
        (OCI_LAYER, b"weights", {TITLE: "det.pdiparams"}),
        (OCI_LAYER, archive({"more/labels.txt": b"cat"}), {TITLE: "more", UNPACK: "true"}),
    )
    found = unpacked(source, tmp_path / "out", monkeypatch)
    assert found == {"det.pdiparams": b"weights", "more/labels.txt": b"cat"}


def test_an_artifact_of_modelpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, said = "application/vnd.cncf.model.weight.v1", {"org.cncf.model.filepath": "w/x.bin"}
    source = layout(
        tmp_path / "layout",
        (f"{kind}.raw", b"raw", said),
        (f"{kind}.tar", archive({"w/y.bin": b"in a tar"}), {"org.cncf.model.filepath": "w/y.bin"}),
        config=("application/vnd.cncf.model.config.v1+json", b'{"modelfs": {}}'),
    )
    found = unpacked(source, tmp_path / "out", monkeypatch)
    assert found == {"w/x.bin": b"raw", "w/y.bin": b"in a tar"}


@pytest.mark.parametrize("name", ["../../x", "/x"])
def test_no_path_leads_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    source = layout(tmp_path / "layout", (OCI_LAYER, b"x", {TITLE: name}))
    assert unpacked(source, tmp_path / "out", monkeypatch) == {"x": b"x"}


@pytest.mark.parametrize(
    ("said", "complaint"), [({}, "says no path"), ({TITLE: "."}, "would be '.', which is no file")]
)
def test_a_layer_without_a_path_is_an_error(tmp_path: Path, said: Json, complaint: str) -> None:
    source = layout(tmp_path / "layout", (OCI_LAYER, b"x", said))
    with pytest.raises(ImageError, match=complaint):
        files.unpack_artifact(Image(source), tmp_path / "out")


def test_a_file_that_is_not_what_its_digest_says(tmp_path: Path) -> None:
    source = layout(tmp_path / "layout", (OCI_LAYER, b"x", {TITLE: "x"}))
    Image(source).blob(sha256(b"x")).write_bytes(b"y")
    with pytest.raises(ImageError, match="is damaged"):
        files.unpack_artifact(Image(source), tmp_path / "out")
